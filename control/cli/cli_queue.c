/* cli_queue.c - `sluice queue …`: what waits, and what to do with it. */
#include <stdlib.h>

#include "base_text.h"
#include "cli.h"
#include "ipc_id.h"

#define PAGE 500 /* messages asked for at once */

/* What the options of all queue commands say. */
struct pick {
    const char *id, *sender, *recipient, *domain, *state, *limit_text;
    uint64_t limit; /* messages shown at most; UINT64_MAX: all */
    bool all;
};

static json_t *filter_of(const struct pick *pick)
{
    const struct {
        const char *key, *value;
    } parts[] = {
        {"id",        pick->id       },
        {"sender",    pick->sender   },
        {"recipient", pick->recipient},
        {"domain",    pick->domain   },
        {"state",     pick->state    },
    };
    json_t *filter = json_object();

    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        if (parts[i].value != NULL)
            json_object_set_new(filter, parts[i].key, json_string(parts[i].value));
    }
    return filter;
}

static json_t *order_of(const char *order, const struct pick *pick)
{
    return json_pack("{s:s, s:s, s:o}", "command", "queue", "order", order, "filter",
                     filter_of(pick));
}

/* An empty one would be no filter: a slip in a script must not mean everything. */
static int check_filters(const struct cli *cli, const struct pick *pick)
{
    const char *const values[] = {pick->recipient, pick->domain, pick->state};

    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        if (values[i] != NULL && values[i][0] == '\0')
            return cli_usage(cli, "a filter is empty");
    }
    return CLI_DONE;
}

/* Options, and an ID as the only word; CLI_DONE or what is wrong has been said. */
static int parse(struct cli *cli, struct pick *pick, int argc, char **argv)
{
    const struct cli_option options[] = {
        {.name = "runtime",   .text = &cli->runtime    },
        {.name = "json",      .flag = &cli->json       },
        {.name = "id",        .text = &pick->id        },
        {.name = "sender",    .text = &pick->sender    },
        {.name = "recipient", .text = &pick->recipient },
        {.name = "domain",    .text = &pick->domain    },
        {.name = "state",     .text = &pick->state     },
        {.name = "limit",     .text = &pick->limit_text},
        {.name = "all",       .flag = &pick->all       },
    };
    uint64_t id = 0;

    if (cli_parse(cli, options, ARRAY_LEN(options), argc, argv, &pick->id, 1) < 0)
        return CLI_USAGE;
    pick->limit = UINT64_MAX;
    if (pick->limit_text != NULL &&
        text_parse_u64(span_str(pick->limit_text), UINT64_MAX, &pick->limit) != 0)
        return cli_usage(cli, "--limit %s is no number", pick->limit_text);
    if (pick->id != NULL && id_parse(span_str(pick->id), &id) != 0)
        return cli_usage(cli, "%s is no message id: they have 13 characters, as `queue list` shows",
                         pick->id);
    /* No message has it, and to the queue it would mean all of them. */
    if (pick->id != NULL && id == 0)
        return cli_fail(cli, "%s: no such message", pick->id);
    if (pick->sender != NULL && pick->sender[0] == '\0')
        pick->sender = "<>";
    return check_filters(cli, pick);
}

/* ---- list ---- */

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

/* Why it waits: where a server said so, with its code; "-" where nothing has gone wrong. */
static const char *reason_of(const json_t *recipient, char out[1024])
{
    const char *reason = text_of(recipient, "reason"), *status = text_of(recipient, "status");
    json_int_t code = json_integer_value(json_object_get(recipient, "code"));

    if (code <= 0)
        return reason;
    snprintf(out, 1024, "%lld %s%s%s", (long long)code, status != NULL ? status : "",
             status != NULL ? " " : "", reason != NULL ? reason : "");
    return out;
}

/* The queue shows the first recipients of a message only. */
static void list_rest(struct cli_table *table, const json_t *message, size_t shown)
{
    json_int_t total = json_integer_value(json_object_get(message, "recipients_total"));
    char text[64];

    if (total <= (json_int_t)shown)
        return;
    snprintf(text, sizeof(text), "and %lld more", (long long)total - (long long)shown);
    for (size_t column = 0; column < 9; column++)
        cli_table_cell(table, column == 4 ? text : " ");
}

/* One line for each recipient; the message's own facts stand on the first. */
static void list_rows(struct cli_table *table, const json_t *message)
{
    const json_t *recipients = json_object_get(message, "recipients");
    const char *sender = text_of(message, "sender");
    size_t n = json_array_size(recipients);

    for (size_t i = 0; i < n || i == 0; i++) {
        const json_t *r = json_array_get(recipients, i);
        char time[32], reason[1024];

        cli_time(time, json_object_get(message, "arrived"));
        cli_table_cell(table, i == 0 ? text_of(message, "id") : " ");
        cli_table_cell(table, i == 0 ? time : " ");
        if (i == 0)
            cli_table_figure(table, json_integer_value(json_object_get(message, "bytes")));
        else
            cli_table_cell(table, " ");
        cli_table_cell(table, i > 0 ? " " : sender == NULL || *sender == '\0' ? "<>" : sender);
        cli_table_cell(table, text_of(r, "address"));
        cli_table_cell(table, text_of(r, "state"));
        cli_table_figure(table, json_integer_value(json_object_get(r, "attempts")));
        cli_time(time, json_object_get(r, "next"));
        cli_table_cell(table, time);
        cli_table_cell(table, reason_of(r, reason));
    }
    list_rest(table, message, n);
}

static void list_page(const struct cli *cli, const json_t *messages, bool *first)
{
    static const char *const columns[] = {"ID",    "ARRIVED",   ">BYTES", "SENDER", "RECIPIENT",
                                          "STATE", ">ATTEMPTS", "NEXT",   "REASON", NULL};
    struct cli_table *table = cli->json ? NULL : cli_table_new(columns);
    size_t i;

    for (i = 0; i < json_array_size(messages); i++) {
        const json_t *message = json_array_get(messages, i);

        if (!cli->json) {
            list_rows(table, message);
            continue;
        }
        fputs(*first ? "\n" : ",\n", cli->out);
        json_dumpf(message, cli->out, JSON_COMPACT | JSON_PRESERVE_ORDER);
        *first = false;
    }
    if (!cli->json && i > 0)
        cli_table_print(table, cli->out);
    cli_table_free(table);
}

/* Page by page, so that a million messages need no more memory than a few hundred. */
static int queue_list(struct cli *cli, struct pick *pick)
{
    char after[ID_TEXT_LEN + 1] = "";
    uint64_t left = pick->limit, shown = 0;
    bool first = true, more = true;

    if (cli->json)
        fputs("{\"messages\":[", cli->out);
    while (more && left > 0) {
        json_t *order = order_of("list", pick), *answer = NULL;
        const char *next;
        size_t came;
        int rc;

        json_object_set_new(order, "limit", json_integer(left < PAGE ? (json_int_t)left : PAGE));
        if (after[0] != '\0')
            json_object_set_new(order, "after", json_string(after));
        rc = cli_ask(cli, order, &answer);
        if (rc != CLI_DONE)
            return rc;
        came = json_array_size(json_object_get(answer, "messages"));
        list_page(cli, json_object_get(answer, "messages"), &first);
        next = text_of(answer, "more");
        /* One that does not move on would go round for ever. */
        more = next != NULL && strcmp(next, after) > 0 && came > 0;
        snprintf(after, sizeof(after), "%s", next != NULL ? next : "");
        left -= came < left ? came : left;
        shown += came;
        json_decref(answer);
    }
    if (cli->json)
        fputs("\n]}\n", cli->out);
    else if (shown == 0)
        fputs("no messages\n", cli->out);
    return CLI_DONE;
}

/* ---- the others ---- */

static int queue_count(struct cli *cli, struct pick *pick)
{
    json_t *answer = NULL;
    int rc = cli_ask(cli, order_of("count", pick), &answer);

    if (rc != CLI_DONE)
        return rc;
    fprintf(cli->out, "%lld\n", (long long)json_integer_value(json_object_get(answer, "count")));
    json_decref(answer);
    return CLI_DONE;
}

static void show_recipients(const struct cli *cli, const json_t *message)
{
    static const char *const columns[] = {"RECIPIENT", "STATE",  ">ATTEMPTS", "NEXT",
                                          "ROUTE",     "REASON", NULL};
    const json_t *recipients = json_object_get(message, "recipients");
    json_int_t total = json_integer_value(json_object_get(message, "recipients_total"));
    struct cli_table *table = cli_table_new(columns);
    size_t i;

    for (i = 0; i < json_array_size(recipients); i++) {
        const json_t *r = json_array_get(recipients, i);
        char time[32], reason[1024];

        cli_time(time, json_object_get(r, "next"));
        cli_table_cell(table, text_of(r, "address"));
        cli_table_cell(table, text_of(r, "state"));
        cli_table_figure(table, json_integer_value(json_object_get(r, "attempts")));
        cli_table_cell(table, time);
        cli_table_cell(table, text_of(r, "route"));
        cli_table_cell(table, reason_of(r, reason));
    }
    fputc('\n', cli->out);
    cli_table_print(table, cli->out);
    cli_table_free(table);
    if (total > (json_int_t)i)
        fprintf(cli->out, "and %lld more\n", (long long)total - (long long)i);
}

/* Everything the queue says about it that is not a table. */
static void show_facts(const struct cli *cli, json_t *message)
{
    const char *key;
    json_t *value;

    json_object_foreach(message, key, value)
    {
        char time[32];

        if (strcmp(key, "ok") == 0 || strcmp(key, "recipients_total") == 0 ||
            json_is_array(value) || json_is_object(value))
            continue;
        if (strcmp(key, "arrived") == 0 || strcmp(key, "expires") == 0) {
            cli_time(time, value);
            cli_line(cli, key, "%s", time);
        } else if (json_is_string(value)) {
            bool null_sender = strcmp(key, "sender") == 0 && json_string_length(value) == 0;

            cli_line(cli, key, "%s", null_sender ? "<>" : json_string_value(value));
        } else if (json_is_integer(value)) {
            cli_line(cli, key, "%lld", (long long)json_integer_value(value));
        } else {
            cli_line(cli, key, "%s", json_is_true(value) ? "yes" : "-");
        }
    }
}

static int queue_show(struct cli *cli, struct pick *pick)
{
    json_t *answer = NULL, *message;
    int rc;

    if (pick->id == NULL)
        return cli_usage(cli, "needs a message's ID");
    rc = cli_ask(cli, order_of("show", pick), &answer);
    if (rc != CLI_DONE)
        return rc;
    message = json_object_get(answer, "message");
    if (!json_is_object(message))
        message = answer;
    if (cli->json) {
        cli_print_json(cli, message);
    } else {
        show_facts(cli, message);
        show_recipients(cli, message);
    }
    json_decref(answer);
    return CLI_DONE;
}

static bool picks_something(const struct pick *pick)
{
    return pick->id != NULL || pick->sender != NULL || pick->recipient != NULL ||
           pick->domain != NULL || pick->state != NULL || pick->all;
}

/* hold, release, delete, flush: how many it was. */
static int change(struct cli *cli, struct pick *pick, const char *order, const char *done,
                  bool must_pick)
{
    json_t *answer = NULL;
    long long n;
    int rc;

    if (must_pick && !picks_something(pick))
        return cli_usage(cli, "say which: an ID, a filter, or --all");
    rc = cli_ask(cli, order_of(order, pick), &answer);
    if (rc != CLI_DONE)
        return rc;
    n = json_integer_value(json_object_get(answer, done));
    json_decref(answer);
    if (n == 0 && pick->id != NULL)
        return cli_fail(cli, "%s: nothing to do: no such message, or it is not in that state",
                        pick->id);
    fprintf(cli->out, "%lld %s\n", n, done);
    return CLI_DONE;
}

static int queue_hold(struct cli *cli, struct pick *pick)
{
    return change(cli, pick, "hold", "held", true);
}

static int queue_release(struct cli *cli, struct pick *pick)
{
    return change(cli, pick, "release", "released", true);
}

static int queue_delete(struct cli *cli, struct pick *pick)
{
    return change(cli, pick, "delete", "deleted", true);
}

static int queue_flush(struct cli *cli, struct pick *pick)
{
    return change(cli, pick, "flush", "flushed", false);
}

#define FILTERS                                                                                    \
    "[ID] [--sender A|'<>'] [--recipient A] [--domain D] [--state queued|deferred|active|held] "

static const struct {
    const char *name, *full;
    int (*run)(struct cli *cli, struct pick *pick);
    const char *usage;
} orders[] = {
    {"list",    "queue list",    queue_list,
     "queue list " FILTERS "[--limit N] [--json] [--runtime DIR]"                                 },
    {"count",   "queue count",   queue_count,   "queue count " FILTERS "[--runtime DIR]"          },
    {"show",    "queue show",    queue_show,    "queue show ID [--json] [--runtime DIR]"          },
    {"hold",    "queue hold",    queue_hold,    "queue hold " FILTERS "[--all] [--runtime DIR]"   },
    {"release", "queue release", queue_release, "queue release " FILTERS "[--all] [--runtime DIR]"},
    {"delete",  "queue delete",  queue_delete,  "queue delete " FILTERS "[--all] [--runtime DIR]" },
    {"flush",   "queue flush",   queue_flush,   "queue flush " FILTERS "[--runtime DIR]"          },
};

int cli_queue(struct cli *cli, int argc, char **argv)
{
    if (argc < 1)
        return cli_usage(cli, "what about it?");
    for (size_t i = 0; i < ARRAY_LEN(orders); i++) {
        struct pick pick = {.id = NULL};
        int rc;

        if (strcmp(orders[i].name, argv[0]) != 0)
            continue;
        cli->command = orders[i].full;
        cli->usage = orders[i].usage;
        rc = parse(cli, &pick, argc - 1, argv + 1);
        return rc != CLI_DONE ? rc : orders[i].run(cli, &pick);
    }
    return cli_usage(cli, "there is no `queue %s`", argv[0]);
}
