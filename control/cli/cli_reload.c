/* cli_reload.c - `sluice reload`: the configuration is read anew, no session is touched. */
#include "cli.h"

int cli_reload(struct cli *cli, int argc, char **argv)
{
    const struct cli_option options[] = {
        {.name = "runtime", .text = &cli->runtime}
    };
    json_t *answer = NULL;
    const json_t *restart, *item;
    size_t i;
    int rc;

    if (cli_parse(cli, options, ARRAY_LEN(options), argc, argv, NULL, 0) < 0)
        return CLI_USAGE;
    rc = cli_ask(cli, json_pack("{s:s}", "command", "reload"), &answer);
    if (rc != CLI_DONE)
        return rc;
    fprintf(cli->out, "reloaded, policy generation %lld\n",
            (long long)json_integer_value(json_object_get(answer, "generation")));
    restart = json_object_get(answer, "restart");
    for (i = 0; i < json_array_size(restart); i++) {
        char key[256];

        item = json_array_get(restart, i);
        cli_clean(key, sizeof(key), json_is_string(item) ? json_string_value(item) : "?");
        fprintf(cli->out, "%s%s", i == 0 ? "takes effect at the next start only: " : ", ", key);
    }
    if (json_array_size(restart) > 0)
        fputc('\n', cli->out);
    json_decref(answer);
    return CLI_DONE;
}
