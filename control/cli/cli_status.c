/* cli_status.c - `sluice status`: is it well? */
#include "cli.h"

static const char *text_or(const json_t *object, const char *key, const char *otherwise)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text != NULL && *text != '\0' ? text : otherwise;
}

static void print_processes(const struct cli *cli, const json_t *answer)
{
    static const char *const columns[] = {"PROCESS", ">PID", "STATE", "SINCE", ">RESTARTS", NULL};
    struct cli_table *table = cli_table_new(columns);
    json_t *processes = json_object_get(answer, "processes"), *one;
    const char *name;

    json_object_foreach(processes, name, one)
    {
        json_int_t epoch = json_integer_value(json_object_get(one, "epoch"));
        bool up = json_is_true(json_object_get(one, "up"));
        const json_t *pid = json_object_get(one, "pid");
        char since[32];

        cli_table_cell(table, name);
        if (up && json_is_integer(pid))
            cli_table_figure(table, json_integer_value(pid));
        else
            cli_table_cell(table, NULL);
        cli_table_cell(table, up ? "up" : "down");
        cli_time(since, up ? json_object_get(one, "started") : NULL);
        cli_table_cell(table, since);
        cli_table_figure(table, epoch > 0 ? epoch - 1 : 0);
    }
    cli_table_print(table, cli->out);
    cli_table_free(table);
}

/* "4 recipients", "1 recipient"; in out, or "unknown". */
static const char *counted(char out[64], const json_t *value, const char *thing)
{
    if (!json_is_integer(value))
        return "unknown";
    snprintf(out, 64, "%lld %s%s", (long long)json_integer_value(value), thing,
             json_integer_value(value) == 1 ? "" : "s");
    return out;
}

static void print_queue(const struct cli *cli, const json_t *answer)
{
    json_int_t waiting = json_integer_value(json_object_get(answer, "queue_waiting"));
    char messages[64];

    counted(messages, json_object_get(answer, "queue"), "message");
    if (!json_is_integer(json_object_get(answer, "queue")))
        cli_line(cli, "queue", "unknown");
    else if (waiting > 0)
        cli_line(cli, "queue", "%s, %lld of them waiting for another try: sluice queue list",
                 messages, (long long)waiting);
    else
        cli_line(cli, "queue", "%s", messages);
}

/* A generation is the time when it was made. */
static void print_policy(const struct cli *cli, const json_t *answer)
{
    const json_t *policy = json_object_get(answer, "policy");
    json_int_t generation = json_integer_value(json_object_get(policy, "generation"));
    char time[32], rules[64], domains[64], recipients[64];

    if (!json_is_object(policy)) {
        cli_line(cli, "policy", "none");
        return;
    }
    cli_time(time, json_object_get(policy, "generation"));
    cli_line(cli, "policy", "of %s: %s, %s, %s (generation %lld)", time,
             counted(rules, json_object_get(policy, "rules"), "rule"),
             counted(domains, json_object_get(policy, "domains"), "domain"),
             counted(recipients, json_object_get(policy, "recipients"), "recipient"),
             (long long)generation);
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
    const json_t *sessions;
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
    sessions = json_object_get(answer, "sessions");
    if (json_is_integer(sessions))
        cli_line(cli, "sessions", "%lld", (long long)json_integer_value(sessions));
    else
        cli_line(cli, "sessions", "unknown");
    print_queue(cli, answer);
    print_policy(cli, answer);
    error = text_or(answer, "last_reload_error", NULL);
    if (error != NULL)
        cli_line(cli, "reload", "the last one failed: %s", error);
    fputc('\n', cli->out);
    print_processes(cli, answer);
    json_decref(answer);
    return CLI_DONE;
}
