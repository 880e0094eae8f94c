/* Goal: /metrics is Prometheus text 0.0.4 whatever the other processes wrote into their regions.
 * Method: rows of names; a region filled like a process does; hostile regions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "metrics_rows.h"
#include "metrics_text.h"

static struct metrics m;

static void test_names(void **state)
{
    static const struct {
        const char *name;
        uint32_t base; /* 0: refused */
    } rows[] = {
        {"sluice_x",                         8 },
        {"sluice_x_total",                   14},
        {"sluice_x{a=\"b\"}",                8 },
        {"sluice_x{a=\"b\",c_1=\"d e.f/\"}", 8 },
        {"sluice_x{a=\"\"}",                 8 },
        {"",                                 0 },
        {"sluice_",                          0 },
        {"other_x",                          0 },
        {"Sluice_x",                         0 },
        {"sluice_x ",                        0 },
        {"sluice_x\n",                       0 },
        {"sluice_x{}",                       0 },
        {"sluice_x{a}",                      0 },
        {"sluice_x{a=b}",                    0 },
        {"sluice_x{a=\"b}",                  0 },
        {"sluice_x{a=\"b\"",                 0 },
        {"sluice_x{a=\"b\"}x",               0 },
        {"sluice_x{a=\"b\",}",               0 },
        {"sluice_x{a=\"b\"c=\"d\"}",         0 },
        {"sluice_x{1a=\"b\"}",               0 },
        {"sluice_x{a=\"\\\"\"}",             0 },
        {"sluice_x{a=\"\n\"}",               0 },
        {"sluice_x{a=\"\xff\"}",             0 },
        {"sluice-x",                         0 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint32_t base = 0;
        bool ok = metrics_name_ok(rows[i].name, strlen(rows[i].name), &base);

        if (ok != (rows[i].base != 0) || base != rows[i].base)
            fail_msg("'%s': %d, %u", rows[i].name, ok, base);
    }
}

static char *text(void)
{
    char *out = NULL;
    size_t n = 0;

    metrics_group(&m);
    assert_int_equal(metrics_text(&m, &out, &n), 0);
    assert_int_equal(strlen(out), n);
    return out;
}

static struct stats_region *region_new(enum ipc_kind kind)
{
    int fd = stats_create(kind, 1);
    struct stats_region *r = stats_map(fd, kind, true);

    assert_non_null(r);
    close(fd);
    return r;
}

static void test_text(void **state)
{
    static const struct stats_def counters[] = {
        {"sluice_b_total{kind=\"x\"}", "Bs",                STATS_COUNTER},
        {"sluice_a",                   "An A",              STATS_GAUGE  },
        {"sluice_b_total{kind=\"y\"}", "Bs",                STATS_COUNTER},
        {"sluice_b",                   "not the same base", STATS_GAUGE  },
    };
    struct stats_region *r = region_new(IPC_QUEUE);
    char *out;

    (void)state;
    stats_define(r, counters, ARRAY_LEN(counters));
    count_add(&r->worker[0].counters[0], 1);
    count_add(&r->worker[15].counters[0], 2); /* all columns count */
    count_set(&r->worker[0].counters[1], UINT64_MAX);
    metrics_clear(&m);
    metrics_add_region(&m, r);
    metrics_add(&m, "sluice_b_total{kind=\"x\"}", "Bs of another", STATS_COUNTER, 10);
    out = text();
    assert_string_equal(out,
                        "# HELP sluice_a An A\n# TYPE sluice_a gauge\n"
                        "sluice_a 18446744073709551615\n"
                        "# HELP sluice_b not the same base\n# TYPE sluice_b gauge\nsluice_b 0\n"
                        "# HELP sluice_b_total Bs\n# TYPE sluice_b_total counter\n"
                        "sluice_b_total{kind=\"x\"} 13\nsluice_b_total{kind=\"y\"} 0\n");
    free(out);
    stats_unmap(r);
}

static void test_histograms(void **state)
{
    static const struct stats_def defs[] = {
        {"sluice_h_seconds",           "A time",  STATS_HISTOGRAM},
        {"sluice_g_seconds{of=\"x\"}", "Another", STATS_HISTOGRAM},
    };
    struct stats_region *r = region_new(IPC_QUEUE);
    json_t *json;
    char *out;

    (void)state;
    stats_define(r, defs, ARRAY_LEN(defs));
    histogram_add(&r->worker[0].histograms[0], 0);
    histogram_add(&r->worker[1].histograms[0], 1500000); /* below 2^21 us */
    histogram_add(&r->worker[1].histograms[0], UINT64_MAX / 2);
    metrics_clear(&m);
    metrics_add_region(&m, r);
    out = text();
    assert_non_null(strstr(out, "# TYPE sluice_h_seconds histogram\n"
                                "sluice_h_seconds_bucket{le=\"0.000001\"} 1\n"
                                "sluice_h_seconds_bucket{le=\"0.000002\"} 1\n"));
    assert_non_null(strstr(out, "sluice_h_seconds_bucket{le=\"1.048576\"} 1\n"
                                "sluice_h_seconds_bucket{le=\"2.097152\"} 2\n"));
    assert_non_null(strstr(out, "sluice_h_seconds_bucket{le=\"+Inf\"} 3\n"
                                "sluice_h_seconds_sum "));
    assert_non_null(strstr(out, "sluice_h_seconds_count 3\n"));
    assert_non_null(strstr(out, "sluice_g_seconds_bucket{of=\"x\",le=\"0.000001\"} 0\n"));
    assert_non_null(strstr(out, "sluice_g_seconds_sum{of=\"x\"} 0\n"
                                "sluice_g_seconds_count{of=\"x\"} 0\n"));
    free(out);
    json = metrics_json(&m);
    assert_int_equal(
        json_integer_value(json_object_get(
            json_object_get(json_object_get(json, "histograms"), "sluice_h_seconds"), "count")),
        3);
    assert_true(json_is_null(json_object_get(
        json_object_get(json_object_get(json, "histograms"), "sluice_g_seconds{of=\"x\"}"),
        "p50")));
    json_decref(json);
    stats_unmap(r);
}

static void test_percentiles(void **state)
{
    static const struct stats_def defs[] = {
        {"sluice_h_seconds", "A time", STATS_HISTOGRAM}
    };
    struct stats_region *r = region_new(IPC_QUEUE);
    json_t *json, *h;

    (void)state;
    stats_define(r, defs, 1);
    for (int i = 0; i < 98; i++)
        histogram_add(&r->worker[0].histograms[0], 700); /* below 1024 us */
    for (int i = 0; i < 2; i++)
        histogram_add(&r->worker[0].histograms[0], 70000); /* below 131072 us */
    metrics_clear(&m);
    metrics_add_region(&m, r);
    json = metrics_json(&m);
    h = json_object_get(json_object_get(json, "histograms"), "sluice_h_seconds");
    assert_true(json_real_value(json_object_get(h, "p50")) == 0.001024);
    assert_true(json_real_value(json_object_get(h, "p90")) == 0.001024);
    assert_true(json_real_value(json_object_get(h, "p99")) == 0.131072);
    json_decref(json);
    stats_unmap(r);
}

/* A process that lost its mind writes anything anywhere in its region. */
static void test_hostile_region(void **state)
{
    struct stats_region *r = region_new(IPC_QUEUE);
    char *out;

    (void)state;
    memset(r->counter_names, 'x', sizeof(r->counter_names));
    memset(r->histogram_names, '"', sizeof(r->histogram_names));
    r->counters = UINT32_MAX;
    r->histograms = UINT32_MAX;
    r->workers = UINT32_MAX;
    strcpy(r->counter_names[0].metric, "sluice_ok");
    strcpy(r->counter_names[0].help, "line\nbreak \\n\x7f\xff");
    r->counter_names[0].type = STATS_COUNTER;
    strcpy(r->counter_names[1].metric, "sluice_bad 1\nsluice_forged");
    r->counter_names[1].type = STATS_COUNTER;
    strcpy(r->counter_names[2].metric, "sluice_type");
    r->counter_names[2].type = 77;
    metrics_clear(&m);
    metrics_add_region(&m, r);
    assert_int_equal(m.rows_count, 1);
    assert_int_equal(m.refused, STATS_COUNTERS_MAX - 1 + STATS_HISTOGRAMS_MAX);
    out = text();
    assert_string_equal(out, "# HELP sluice_ok line?break ?n??\n# TYPE sluice_ok counter\n"
                             "sluice_ok 0\n");
    free(out);
    stats_unmap(r);
}

static void test_bounds(void **state)
{
    char name[128];
    char *out;

    (void)state;
    metrics_clear(&m);
    for (unsigned i = 0; i < METRICS_ROWS_MAX + 3; i++) {
        snprintf(name, sizeof(name), "sluice_row_%u", i);
        metrics_add(&m, name, "", STATS_COUNTER, i);
    }
    assert_int_equal(m.rows_count, METRICS_ROWS_MAX);
    assert_int_equal(m.refused, 3);
    out = text();
    free(out);
    metrics_clear(&m);
    memset(name, 'a', sizeof(name));
    memcpy(name, "sluice_", 7);
    name[METRICS_NAME_MAX] = '\0';
    metrics_add(&m, name, "", STATS_COUNTER, 1);
    assert_int_equal(m.rows_count, 0);
    name[METRICS_NAME_MAX - 1] = '\0';
    metrics_add(&m, name, "", STATS_COUNTER, 1);
    assert_int_equal(m.rows_count, 1);
    metrics_clear(&m);
    out = text();
    assert_string_equal(out, "");
    free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),          cmocka_unit_test(test_text),
        cmocka_unit_test(test_histograms),     cmocka_unit_test(test_percentiles),
        cmocka_unit_test(test_hostile_region), cmocka_unit_test(test_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
