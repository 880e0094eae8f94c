/* cli_check.c - `sluice check`: would this configuration be taken?  Reads it and compiles it as
 * the edge would, and changes nothing. */
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli.h"
#include "compile.h"

static int judge(const char *path, struct conf_error *error)
{
    struct compile_result result = {.fd = -1};
    struct conf *conf = NULL;
    int rc = conf_load(path, NULL, &conf, error);

    if (rc == 0)
        rc = compile_policy(conf, NULL, 1, &result, error);
    if (result.fd >= 0)
        close(result.fd);
    conf_free(conf);
    return rc;
}

int cli_check(struct cli *cli, int argc, char **argv)
{
    const char *config = NULL;
    const struct cli_option options[] = {
        {.name = "config", .letter = 'c', .text = &config}
    };
    char path[PATH_MAX] = "", here[PATH_MAX];
    struct conf_error *error;
    int rc;

    if (cli_parse(cli, options, ARRAY_LEN(options), argc, argv, NULL, 0) < 0)
        return CLI_USAGE;
    if (config == NULL)
        return cli_usage(cli, "needs a configuration: -c FILE");
    if (config[0] == '/')
        rc = snprintf(path, sizeof(path), "%s", config);
    else if (getcwd(here, sizeof(here)) != NULL)
        rc = snprintf(path, sizeof(path), "%s/%s", here, config);
    else
        rc = PATH_MAX;
    if (rc >= PATH_MAX)
        return cli_fail(cli, "%s: the path is too long", config);
    error = calloc(1, sizeof(*error));
    if (error == NULL)
        return cli_fail(cli, "out of memory");
    rc = judge(path, error);
    for (uint32_t i = 0; rc != 0 && i < error->count; i++)
        fprintf(cli->err, "%s\n", error->line[i]);
    if (rc != 0 && error->more)
        fprintf(cli->err, "and more\n");
    if (rc != 0 && error->count == 0)
        cli_fail(cli, "%s: %s", path, strerror(-rc));
    free(error);
    if (rc == 0)
        fprintf(cli->out, "configuration OK\n");
    return rc == 0 ? CLI_DONE : CLI_NO;
}
