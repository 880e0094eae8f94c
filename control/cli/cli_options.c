/* cli_options.c - arguments into options and words. */
#include <stdarg.h>

#include "cli.h"

static void complain(const struct cli *cli, const char *format, va_list args)
{
    fprintf(cli->err, "sluice %s: ", cli->command);
    vfprintf(cli->err, format, args);
    fputc('\n', cli->err);
}

int cli_usage(const struct cli *cli, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    complain(cli, format, args);
    va_end(args);
    fprintf(cli->err, "usage: sluice %s\n", cli->usage);
    return CLI_USAGE;
}

int cli_fail(const struct cli *cli, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    complain(cli, format, args);
    va_end(args);
    return CLI_NO;
}

/* "--name", "--name=value", "-x": the option meant, or NULL; *ret_value behind the '='. */
static const struct cli_option *find(const struct cli_option *options, size_t count,
                                     const char *arg, const char **ret_value)
{
    *ret_value = NULL;
    for (size_t i = 0; i < count; i++) {
        size_t n = strlen(options[i].name);

        if (options[i].letter != '\0' && arg[1] == options[i].letter && arg[2] == '\0')
            return &options[i];
        if (arg[1] != '-' || strncmp(arg + 2, options[i].name, n) != 0)
            continue;
        if (arg[2 + n] == '\0')
            return &options[i];
        if (arg[2 + n] == '=') {
            *ret_value = arg + 3 + n;
            return &options[i];
        }
    }
    return NULL;
}

/* How many arguments the option took, or -1. */
static int take(const struct cli *cli, const struct cli_option *options, size_t count, int argc,
                char **argv)
{
    const char *value;
    const struct cli_option *o = find(options, count, argv[0], &value);

    if (o == NULL) {
        cli_usage(cli, "there is no option %s", argv[0]);
        return -1;
    }
    if (o->flag != NULL && value == NULL) {
        *o->flag = true;
        return 1;
    }
    if (o->flag != NULL) {
        cli_usage(cli, "--%s takes no value", o->name);
        return -1;
    }
    if (value == NULL && argc < 2) {
        cli_usage(cli, "%s needs a value", argv[0]);
        return -1;
    }
    *o->text = value != NULL ? value : argv[1];
    return value != NULL ? 1 : 2;
}

int cli_parse(const struct cli *cli, const struct cli_option *options, size_t options_count,
              int argc, char **argv, const char **words, int words_max)
{
    bool only_words = false;
    int found = 0;

    for (int i = 0; i < argc;) {
        int n = 1;

        if (!only_words && strcmp(argv[i], "--") == 0) {
            only_words = true;
        } else if (!only_words && argv[i][0] == '-' && argv[i][1] != '\0') {
            n = take(cli, options, options_count, argc - i, argv + i);
            if (n < 0)
                return -1;
        } else if (found == words_max) {
            cli_usage(cli, "%s is one word too many", argv[i]);
            return -1;
        } else {
            words[found++] = argv[i];
        }
        i += n;
    }
    return found;
}
