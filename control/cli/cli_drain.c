/* cli_drain.c - `sluice drain`: no new sessions, the live ones end by themselves. */
#include "cli.h"

int cli_drain(struct cli *cli, int argc, char **argv)
{
    bool off = false;
    const struct cli_option options[] = {
        {.name = "runtime", .text = &cli->runtime},
        {.name = "off",     .flag = &off         }
    };
    json_t *answer = NULL;
    long long sessions;
    int rc;

    if (cli_parse(cli, options, ARRAY_LEN(options), argc, argv, NULL, 0) < 0)
        return CLI_USAGE;
    rc = cli_ask(cli, json_pack("{s:s}", "command", off ? "undrain" : "drain"), &answer);
    if (rc != CLI_DONE)
        return rc;
    sessions = json_integer_value(json_object_get(answer, "sessions"));
    fprintf(cli->out, off ? "taking sessions again, %lld now\n" : "draining, %lld sessions left\n",
            sessions);
    json_decref(answer);
    return CLI_DONE;
}
