/* cli_dispatch.c - the list of commands, help, and who does what. */
#include "cli.h"

static const struct command {
    const char *name;
    int (*run)(struct cli *cli, int argc, char **argv);
    const char *usage;
    const char *help;
} commands[] = {
    {"run", cli_run, "run -c FILE [--force]",
     "start the edge and stay with it (as root)"},
    {"check", cli_check, "check -c FILE", "is this configuration good? changes nothing"},
    {"reload", cli_reload, "reload [--runtime DIR]", "read the configuration anew"},
    {"status", cli_status, "status [--json] [--runtime DIR]", "is it well?"},
    {"stats", cli_stats, "stats [--all | --json] [--runtime DIR]", "every figure that is not 0"},
    {"queue", cli_queue, "queue list|count|show|hold|release|delete|flush … [--runtime DIR]",
     "what waits, and what to do with it"},
    {"drain", cli_drain, "drain [--no-wait | --off] [--runtime DIR]",
     "take no new sessions, wait until the live ones have ended"},
    {"version", cli_version, "version", "which version this is"},
};

static const struct command *find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    }
    return NULL;
}

static void print_help(FILE *to)
{
    fprintf(to, "usage: sluice COMMAND …\n\n");
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        fprintf(to, "  %-9s %s\n", commands[i].name, commands[i].help);
    fprintf(to, "  %-9s %s\n", "help", "this, or `sluice help COMMAND`");
    fprintf(to,
            "\nCommands that talk to a running edge take --runtime DIR (default %s).\n"
            "Exit status: 0 done, 1 not so or failed, 2 usage, 3 the edge is not running.\n",
            CLI_RUNTIME_DEFAULT);
}

static int help(FILE *out, FILE *err, int argc, char **argv)
{
    const struct command *c = argc > 0 ? find(argv[0]) : NULL;

    if (argc == 0) {
        print_help(out);
        return CLI_DONE;
    }
    if (c == NULL || argc > 1) {
        fprintf(err, "sluice help: there is no command %s\n", argv[argc - 1]);
        print_help(err);
        return CLI_USAGE;
    }
    fprintf(out, "usage: sluice %s\n%s\n", c->usage, c->help);
    return CLI_DONE;
}

int cli_dispatch(FILE *out, FILE *err, int argc, char **argv)
{
    struct cli cli = {.out = out, .err = err, .runtime = CLI_RUNTIME_DEFAULT};
    const struct command *c;

    if (argc < 2) {
        print_help(err);
        return CLI_USAGE;
    }
    if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0 ||
        strcmp(argv[1], "-h") == 0)
        return help(out, err, argc - 2, argv + 2);
    c = find(strcmp(argv[1], "--version") == 0 ? "version" : argv[1]);
    if (c == NULL) {
        fprintf(err, "sluice: there is no command %s\n", argv[1]);
        print_help(err);
        return CLI_USAGE;
    }
    cli.command = c->name;
    cli.usage = c->usage;
    return c->run(&cli, argc - 2, argv + 2);
}
