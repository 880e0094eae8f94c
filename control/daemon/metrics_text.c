/* metrics_text.c - see metrics_text.h */
#include "metrics_text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct out {
    char *bytes;
    size_t len, room;
    int rc;
};

static void __attribute__((format(printf, 2, 3))) add(struct out *o, const char *format, ...)
{
    va_list ap;
    int n;

    if (o->rc != 0)
        return;
    if (o->room - o->len < 1024) { /* no line of ours is longer */
        size_t room = o->room == 0 ? 65536 : 2 * o->room;
        char *more = room > METRICS_TEXT_MAX ? NULL : realloc(o->bytes, room);

        if (more == NULL) {
            o->rc = room > METRICS_TEXT_MAX ? -EMSGSIZE : -ENOMEM;
            return;
        }
        o->bytes = more;
        o->room = room;
    }
    va_start(ap, format);
    n = vsnprintf(o->bytes + o->len, o->room - o->len, format, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= o->room - o->len)
        o->rc = -EMSGSIZE;
    else
        o->len += (size_t)n;
}

/* Microseconds as seconds, without the zeros at the end: 0.5, 3, 0.000001. */
static const char *seconds(uint64_t us, char text[40])
{
    int n = snprintf(text, 40, "%llu.%06llu", (unsigned long long)(us / 1000000),
                     (unsigned long long)(us % 1000000));

    while (text[n - 1] == '0')
        text[--n] = '\0';
    if (text[n - 1] == '.')
        text[--n] = '\0';
    return text;
}

static void head_add(struct out *o, const char *name, uint32_t base, const char *help,
                     const char *type)
{
    add(o, "# HELP %.*s %s\n# TYPE %.*s %s\n", (int)base, name, help, (int)base, name, type);
}

/* name_suffix{labels,le="…"} value */
static void histogram_add_text(struct out *o, const struct metric_histogram *h)
{
    const char *labels = h->name + h->base_bytes; /* "" or {…} */
    int base = (int)h->base_bytes;
    size_t inside = strlen(labels) > 2 ? strlen(labels) - 2 : 0;
    uint64_t sum = 0;
    char text[40];

    head_add(o, h->name, h->base_bytes, h->help, "histogram");
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        bool last = i == HISTOGRAM_BUCKETS - 1;

        sum += h->bucket[i];
        add(o, "%.*s_bucket{%.*s%sle=\"%s\"} %llu\n", base, h->name, (int)inside,
            inside > 0 ? labels + 1 : "", inside > 0 ? "," : "",
            last ? "+Inf" : seconds(1ull << i, text), (unsigned long long)sum);
    }
    add(o, "%.*s_sum%s %s\n", base, h->name, labels, seconds(h->sum_us, text));
    add(o, "%.*s_count%s %llu\n", base, h->name, labels, (unsigned long long)sum);
}

int metrics_text(const struct metrics *m, char **ret, size_t *ret_bytes)
{
    struct out o = {0};
    const struct metric_row *before = NULL;

    for (uint32_t i = 0; i < m->rows_count; i++) {
        const struct metric_row *row = &m->rows[i];

        if (before == NULL || before->base_bytes != row->base_bytes ||
            memcmp(before->name, row->name, row->base_bytes) != 0)
            head_add(&o, row->name, row->base_bytes, row->help,
                     row->type == STATS_GAUGE ? "gauge" : "counter");
        add(&o, "%s %llu\n", row->name, (unsigned long long)row->value);
        before = row;
    }
    for (uint32_t i = 0; i < m->histograms_count; i++)
        histogram_add_text(&o, &m->histograms[i]);
    add(&o, "%s", "");
    if (o.rc != 0) {
        free(o.bytes);
        return o.rc;
    }
    *ret = o.bytes;
    *ret_bytes = o.len;
    return 0;
}

static json_t *percentile(const struct metric_histogram *h, uint64_t percent)
{
    uint64_t sum = 0;

    if (h->count == 0)
        return json_null();
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        sum += h->bucket[i];
        if (sum >=
            h->count - h->count / 100 * (100 - percent) - h->count % 100 * (100 - percent) / 100)
            return json_real((double)(1ull << i) / 1e6);
    }
    return json_null();
}

json_t *metrics_json(const struct metrics *m)
{
    json_t *counters = json_object(), *histograms = json_object();

    for (uint32_t i = 0; i < m->rows_count; i++)
        json_object_set_new(counters, m->rows[i].name, json_integer((json_int_t)m->rows[i].value));
    for (uint32_t i = 0; i < m->histograms_count; i++) {
        const struct metric_histogram *h = &m->histograms[i];

        json_object_set_new(histograms, h->name,
                            json_pack("{s:I, s:f, s:o, s:o, s:o}", "count", (json_int_t)h->count,
                                      "sum_seconds", (double)h->sum_us / 1e6, "p50",
                                      percentile(h, 50), "p90", percentile(h, 90), "p99",
                                      percentile(h, 99)));
    }
    return json_pack("{s:o, s:o}", "counters", counters, "histograms", histograms);
}
