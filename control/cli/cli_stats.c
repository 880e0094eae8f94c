/* cli_stats.c - `sluice stats`: every figure of every process. */
#include "cli.h"

/* Of some three hundred most are 0, and what is not is what one looks for. */
static void print_counters(const struct cli *cli, json_t *counters, bool all)
{
    static const char *const columns[] = {"FIGURE", ">VALUE", NULL};
    struct cli_table *table = cli_table_new(columns);
    const char *name;
    json_t *value;
    int left_out = 0;

    json_object_foreach(counters, name, value)
    {
        if (!all && json_integer_value(value) == 0) {
            left_out++;
            continue;
        }
        cli_table_cell(table, name);
        cli_table_figure(table, json_integer_value(value));
    }
    cli_table_print(table, cli->out);
    cli_table_free(table);
    if (left_out > 0)
        fprintf(cli->out, "and %d that are 0 (--all shows them)\n", left_out);
}

static void seconds_cell(struct cli_table *table, const json_t *value)
{
    char text[32];

    if (!json_is_number(value)) {
        cli_table_cell(table, NULL);
        return;
    }
    snprintf(text, sizeof(text), "%.6f", json_number_value(value));
    cli_table_cell(table, text);
}

static void print_histograms(const struct cli *cli, json_t *histograms)
{
    static const char *const columns[] = {"SECONDS", ">COUNT", ">MEAN", ">P50",
                                          ">P90",    ">P99",   NULL};
    static const char *const percentiles[] = {"p50", "p90", "p99"};
    struct cli_table *table = cli_table_new(columns);
    const char *name;
    json_t *value;

    json_object_foreach(histograms, name, value)
    {
        json_int_t count = json_integer_value(json_object_get(value, "count"));
        double sum = json_number_value(json_object_get(value, "sum_seconds"));
        json_t *mean = count > 0 ? json_real(sum / (double)count) : NULL;

        cli_table_cell(table, name);
        cli_table_figure(table, count);
        seconds_cell(table, mean);
        json_decref(mean);
        for (size_t i = 0; i < ARRAY_LEN(percentiles); i++)
            seconds_cell(table, json_object_get(value, percentiles[i]));
    }
    cli_table_print(table, cli->out);
    cli_table_free(table);
}

int cli_stats(struct cli *cli, int argc, char **argv)
{
    bool all = false;
    const struct cli_option options[] = {
        {.name = "runtime", .text = &cli->runtime},
        {.name = "json",    .flag = &cli->json   },
        {.name = "all",     .flag = &all         }
    };
    json_t *answer = NULL;
    int rc;

    if (cli_parse(cli, options, ARRAY_LEN(options), argc, argv, NULL, 0) < 0)
        return CLI_USAGE;
    rc = cli_ask(cli, json_pack("{s:s}", "command", "stats"), &answer);
    if (rc != CLI_DONE)
        return rc;
    if (cli->json) {
        cli_print_json(cli, answer);
    } else {
        print_counters(cli, json_object_get(answer, "counters"), all);
        if (json_object_size(json_object_get(answer, "histograms")) > 0) {
            fputc('\n', cli->out);
            print_histograms(cli, json_object_get(answer, "histograms"));
        }
    }
    json_decref(answer);
    return CLI_DONE;
}
