/* cli_version.c - `sluice version`. */
#include "cli.h"

int cli_version(struct cli *cli, int argc, char **argv)
{
    if (cli_parse(cli, NULL, 0, argc, argv, NULL, 0) < 0)
        return CLI_USAGE;
    fprintf(cli->out, "sluice %s\n", SLUICE_VERSION);
    return CLI_DONE;
}
