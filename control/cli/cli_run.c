/* cli_run.c - `sluice run`: the edge itself. */
#include "cli.h"
#include "run.h"

int cli_run(struct cli *cli, int argc, char **argv)
{
    struct run_options run = {.config = NULL};
    const struct cli_option options[] = {
        {.name = "config", .letter = 'c', .text = &run.config},
        {.name = "force",                .flag = &run.force              },
    };

    if (cli_parse(cli, options, ARRAY_LEN(options), argc, argv, NULL, 0) < 0)
        return CLI_USAGE;
    if (run.config == NULL)
        return cli_usage(cli, "needs a configuration: -c FILE");
    fflush(cli->out);
    return run_main(&run);
}
