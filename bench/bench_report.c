/* bench_report.c - figures to text and JSON. */
#include "bench_report.h"

#include <inttypes.h>
#include <unistd.h>

static const char *const error_names[] = {
#define LOAD_ERROR(id, name, help) name,
#include "bench_errors.def"
#undef LOAD_ERROR
};

static const char *const latency_names[] = {"connect", "reply", "rcpt", "commit", "session"};
_Static_assert(ARRAY_LEN(latency_names) == LOAD_LATENCIES, "one name each");

static const struct {
    const char *name;
    enum tcp_counter counter;
} tcp_rows[] = {
    {"retransmits",     TCP_COUNT_RETRANS_SEGS},
    {"syn_retransmits", TCP_COUNT_SYN_RETRANS },
    {"timeouts",        TCP_COUNT_RTO         },
    {"segments_in",     TCP_COUNT_IN_SEGS     },
    {"segments_out",    TCP_COUNT_OUT_SEGS    },
    {"pure_acks_out",   TCP_COUNT_PURE_ACKS   },
    {"delayed_acks",    TCP_COUNT_DELAYED_ACKS},
    {"duplicate_acks",  TCP_COUNT_DUP_ACKS    },
    {"out_of_order",    TCP_COUNT_OFO_QUEUED  },
    {"no_frame",        TCP_COUNT_OUT_NO_FRAME},
};

uint64_t load_errors(const struct load_report *report)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < LOAD_ERRORS; i++)
        n += report->error[i];
    return n;
}

double load_percentile(const struct histogram *histogram, double share)
{
    uint64_t total = 0, below = 0;
    double want;

    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        total += count_get(&histogram->bucket[i]);
    want = share * (double)total;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        uint64_t n = count_get(&histogram->bucket[i]);
        double low = i == 0 ? 0 : (double)(1ull << (i - 1)), high = (double)(1ull << i);

        if (n > 0 && (double)(below + n) >= want)
            return i == 0 ? 0 : low + (high - low) * (want - (double)below) / (double)n;
        below += n;
    }
    return 0;
}

uint64_t load_process_cpu_us(int pid)
{
    char path[40], line[1024];
    unsigned long user = 0, system = 0;
    const char *at;
    size_t n;
    FILE *f;

    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    f = fopen(path, "re");
    if (f == NULL)
        return 0;
    n = fread(line, 1, sizeof(line) - 1, f);
    fclose(f);
    line[n] = '\0';
    at = strrchr(line, ')'); /* the name before it may hold anything */
    if (at == NULL ||
        sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
        return 0;
    return (uint64_t)(user + system) * 1000000 / (uint64_t)sysconf(_SC_CLK_TCK);
}

static double per_second(uint64_t n, uint64_t us)
{
    return us > 0 ? (double)n * 1e6 / (double)us : 0;
}

static uint64_t watched_us(const struct load_report *r)
{
    uint64_t us = 0;

    for (unsigned i = 0; i < r->watched; i++)
        us += r->watch_cpu_us[i];
    return us;
}

static double share(uint64_t part, uint64_t all)
{
    return all > 0 ? (double)part / (double)all : 0;
}

void load_print_text(const struct load_report *r, FILE *out)
{
    fprintf(out,
            "sessions   %" PRIu64 " begun, %" PRIu64 " completed, %" PRIu64 " held, %" PRIu64
            " errors, %" PRIu64 " messages\n",
            r->started, r->completed, r->held, load_errors(r), r->messages);
    fprintf(out, "rate       %.0f sessions/s over %.3f s\n",
            per_second(r->completed, r->elapsed_us), (double)r->elapsed_us / 1e6);
    fprintf(out, "generator  %.1f us of CPU a session, %.0f %% of its turns' time had work\n",
            share(r->own_cpu_us, r->completed), 100 * share(r->busy_tsc, r->all_tsc));
    for (unsigned i = 0; i < r->watched; i++)
        fprintf(out, "process    %d: %.3f s, %.2f us of CPU a session\n", r->watch_pid[i],
                (double)r->watch_cpu_us[i] / 1e6, share(r->watch_cpu_us[i], r->completed));
    for (unsigned i = 0; i < LOAD_ERRORS; i++)
        if (r->error[i] > 0)
            fprintf(out, "error      %s %" PRIu64 "\n", error_names[i], r->error[i]);
    for (unsigned i = 0; i < r->script->count; i++)
        if (r->wrong[i] > 0)
            fprintf(out, "wrong      %s %" PRIu64 ", last %u\n", r->script->step[i].name,
                    r->wrong[i], r->wrong_code[i]);
    for (unsigned i = 0; i < LOAD_LATENCIES; i++)
        fprintf(out, "latency    %-8s p50 %.0f  p90 %.0f  p99 %.0f  p99.9 %.0f us\n",
                latency_names[i], load_percentile(&r->latency[i], 0.5),
                load_percentile(&r->latency[i], 0.9), load_percentile(&r->latency[i], 0.99),
                load_percentile(&r->latency[i], 0.999));
    if (r->late > 0)
        fprintf(out, "late       %" PRIu64 " sessions begun more than 1 ms after they were due\n",
                r->late);
    for (unsigned i = 0; i < ARRAY_LEN(tcp_rows); i++)
        fprintf(out, "tcp        %s %" PRIu64 "\n", tcp_rows[i].name,
                count_get(&r->tcp[tcp_rows[i].counter]));
    fprintf(out,
            "port       in %" PRIu64 " frames, out %" PRIu64 ", not sent %" PRIu64
            ", no frame %" PRIu64 "\n",
            r->port->rx_frames, r->port->tx_frames, r->port->tx_drops, r->port->no_frame);
    for (unsigned i = 0; i < NET_DROPS; i++)
        if (r->port->net_drops[i] > 0)
            fprintf(out, "drop       %s %" PRIu64 "\n", net_drop_name(i), r->port->net_drops[i]);
}

static void print_json_latency(const struct load_report *r, FILE *out)
{
    fprintf(out, "\"latency_us\":{");
    for (unsigned i = 0; i < LOAD_LATENCIES; i++)
        fprintf(out, "%s\"%s\":{\"p50\":%.1f,\"p90\":%.1f,\"p99\":%.1f,\"p999\":%.1f}",
                i > 0 ? "," : "", latency_names[i], load_percentile(&r->latency[i], 0.5),
                load_percentile(&r->latency[i], 0.9), load_percentile(&r->latency[i], 0.99),
                load_percentile(&r->latency[i], 0.999));
    fprintf(out, "},");
}

void load_print_json(const struct load_report *r, FILE *out)
{
    bool first = true;

    fprintf(out,
            "{\"started\":%" PRIu64 ",\"completed\":%" PRIu64 ",\"held\":%" PRIu64
            ",\"messages\":%" PRIu64 ",\"errors\":%" PRIu64
            ",\"elapsed_s\":%.6f,\"sessions_per_s\":%.1f,",
            r->started, r->completed, r->held, r->messages, load_errors(r),
            (double)r->elapsed_us / 1e6, per_second(r->completed, r->elapsed_us));
    fprintf(out, "\"generator_cpu_us_per_session\":%.3f,\"generator_busy\":%.3f,",
            share(r->own_cpu_us, r->completed), share(r->busy_tsc, r->all_tsc));
    fprintf(out, "\"edge_cpu_us_per_session\":%.3f,\"edge_cpu_s\":{",
            share(watched_us(r), r->completed));
    for (unsigned i = 0; i < r->watched; i++)
        fprintf(out, "%s\"%d\":%.3f", i > 0 ? "," : "", r->watch_pid[i],
                (double)r->watch_cpu_us[i] / 1e6);
    fprintf(out, "},\"late\":%" PRIu64 ",\"error\":{", r->late);
    for (unsigned i = 0; i < LOAD_ERRORS; i++)
        fprintf(out, "%s\"%s\":%" PRIu64, i > 0 ? "," : "", error_names[i], r->error[i]);
    fprintf(out, "},\"wrong_code\":{");
    for (unsigned i = 0; i < r->script->count; i++) {
        if (r->wrong[i] == 0)
            continue;
        fprintf(out, "%s\"%s\":{\"count\":%" PRIu64 ",\"last\":%u}", first ? "" : ",",
                r->script->step[i].name, r->wrong[i], r->wrong_code[i]);
        first = false;
    }
    fprintf(out, "},");
    print_json_latency(r, out);
    fprintf(out, "\"tcp\":{");
    for (unsigned i = 0; i < ARRAY_LEN(tcp_rows); i++)
        fprintf(out, "%s\"%s\":%" PRIu64, i > 0 ? "," : "", tcp_rows[i].name,
                count_get(&r->tcp[tcp_rows[i].counter]));
    fprintf(out,
            "},\"port\":{\"frames_in\":%" PRIu64 ",\"frames_out\":%" PRIu64 ",\"not_sent\":%" PRIu64
            ",\"no_frame\":%" PRIu64 "},\"drops\":{",
            r->port->rx_frames, r->port->tx_frames, r->port->tx_drops, r->port->no_frame);
    first = true;
    for (unsigned i = 0; i < NET_DROPS; i++) {
        if (r->port->net_drops[i] == 0)
            continue;
        fprintf(out, "%s\"%s\":%" PRIu64, first ? "" : ",", net_drop_name(i),
                r->port->net_drops[i]);
        first = false;
    }
    fprintf(out, "}}\n");
}
