/* cli_status.c - `sluice status`: is it well? */
#include "cli.h"

static const char *text_or(const json_t *object, const char *key, const char *otherwise)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text != NULL && *text != '\0' ? text : otherwise;
}

static void print_processes(const struct cli *cli, const json_t *answer)
{
    static const char *const columns[] = {"PROCESS", ">PID", "STATE", ">RESTARTS", NULL};
    struct cli_table *table = cli_table_new(columns);
    json_t *processes = json_object_get(answer, "processes"), *one;
    const char *name;

    json_object_foreach(processes, name, one)
    {
        json_int_t epoch = json_integer_value(json_object_get(one, "epoch"));
        bool up = json_is_true(json_object_get(one, "up"));
        const json_t *pid = json_object_get(one, "pid");

        cli_table_cell(table, name);
        if (up && json_is_integer(pid))
            cli_table_figure(table, json_integer_value(pid));
        else
            cli_table_cell(table, NULL);
        cli_table_cell(table, up ? "up" : "down");
        cli_table_figure(table, epoch > 0 ? epoch - 1 : 0);
    }
    cli_table_print(table, cli->out);
    cli_table_free(table);
}

static void print_figure(const struct cli *cli, const json_t *answer, const char *key)
{
    const json_t *value = json_object_get(answer, key);

    if (json_is_integer(value))
        cli_line(cli, key, "%lld", (long long)json_integer_value(value));
    else
        cli_line(cli, key, "unknown");
}

static void print_policy(const struct cli *cli, const json_t *answer)
{
    const json_t *policy = json_object_get(answer, "policy");
    json_int_t generation = json_integer_value(json_object_get(policy, "generation"));

    if (!json_is_object(policy)) {
        cli_line(cli, "policy", "none");
        return;
    }
    cli_line(cli, "policy", "generation %lld: %lld rules, %lld domains, %lld recipients",
             (long long)generation, (long long)json_integer_value(json_object_get(policy, "rules")),
             (long long)json_integer_value(json_object_get(policy, "domains")),
             (long long)json_integer_value(json_object_get(policy, "recipients")));
    if (json_integer_value(json_object_get(policy, "dataplane_generation")) != generation)
        cli_line(cli, "", "the data plane does not have it yet");
    if (json_integer_value(json_object_get(policy, "queue_generation")) != generation)
        cli_line(cli, "", "the queue does not have it yet");
}

int cli_status(struct cli *cli, int argc, char **argv)
{
    const struct cli_option options[] = {
        {.name = "runtime", .text = &cli->runtime},
        {.name = "json",    .flag = &cli->json   }
    };
    json_t *answer = NULL;
    const char *error;
    int rc;

    if (cli_parse(cli, options, ARRAY_LEN(options), argc, argv, NULL, 0) < 0)
        return CLI_USAGE;
    rc = cli_ask(cli, json_pack("{s:s}", "command", "status"), &answer);
    if (rc != CLI_DONE)
        return rc;
    if (cli->json) {
        cli_print_json(cli, answer);
        json_decref(answer);
        return CLI_DONE;
    }
    cli_line(cli, "instance", "%s (Sluice %s)", text_or(answer, "instance", "?"),
             text_or(answer, "version", "?"));
    cli_line(cli, "intake", "%s", text_or(answer, "intake", "unknown"));
    print_figure(cli, answer, "sessions");
    print_figure(cli, answer, "queue");
    print_policy(cli, answer);
    error = text_or(answer, "last_reload_error", NULL);
    if (error != NULL)
        cli_line(cli, "last reload", "failed: %s", error);
    fputc('\n', cli->out);
    print_processes(cli, answer);
    json_decref(answer);
    return CLI_DONE;
}
