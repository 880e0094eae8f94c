/* metrics_text.h - gathered figures as Prometheus text (exposition format 0.0.4) and as JSON.
 *
 * Histograms are cumulative, in seconds.  A histogram's bucket holds what is below its bound,
 * Prometheus says "at most": our microseconds are whole, so the bound is given as it is.
 *
 * Memory: heap, at most METRICS_TEXT_MAX.  Threads: one.
 */
#ifndef METRICS_TEXT_H
#define METRICS_TEXT_H

#include <jansson.h>

#include "metrics_rows.h"

#define METRICS_TEXT_MAX (2u * 1024u * 1024u)

/* m is grouped.  *ret is heap, NUL-terminated; 0, -ENOMEM or -EMSGSIZE. */
int metrics_text(const struct metrics *m, char **ret, size_t *ret_bytes);

/* {"counters":{name:n,…},"histograms":{name:{"count","sum_seconds","p50","p90","p99"},…}}; NULL
 * when out of memory.  Percentiles are upper bounds of buckets, in seconds, null where empty. */
json_t *metrics_json(const struct metrics *m);

#endif
