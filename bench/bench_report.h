/* bench_report.h - what a run counted, and how it is told.
 *
 * One writer, read after the run.  Percentiles come from histograms of powers of two
 * (base_count.h), interpolated within a bucket: good to tell 20 us from 40, not 20 from 22.
 */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include <stdio.h>

#include "base_count.h"
#include "bench_client.h"
#include "bench_port.h"
#include "tcp.h"

/* How a session came to nothing. */
enum load_error {
#define LOAD_ERROR(id, name, help) LOAD_##id,
#include "bench_errors.def"
#undef LOAD_ERROR
    LOAD_ERRORS
};

enum load_latency {
    LOAD_L_CONNECT, /* SYN to SYN-ACK */
    LOAD_L_REPLY,   /* a command written to its reply: EHLO, MAIL, RCPT, DATA, QUIT */
    LOAD_L_RCPT,    /* RCPT alone */
    LOAD_L_COMMIT,  /* last byte of the message written to its 250 */
    LOAD_L_SESSION, /* SYN (in open loop: the moment it was due) to the last ACK of the close */
    LOAD_LATENCIES
};

#define LOAD_WATCH_MAX 16

struct load_report {
    const struct client_script *script;
    uint64_t started, completed, held, messages;
    uint64_t error[LOAD_ERRORS];
    uint64_t wrong[CLIENT_STEPS_MAX];     /* wrong codes by step, and the last one seen */
    uint16_t wrong_code[CLIENT_STEPS_MAX];
    struct histogram latency[LOAD_LATENCIES];
    uint64_t late;          /* open loop: begun more than 1 ms after they were due */
    uint64_t elapsed_us;    /* first SYN to last close */
    uint64_t busy_tsc, all_tsc; /* turns with work, all turns */
    uint64_t own_cpu_us;
    unsigned watched;
    int      watch_pid[LOAD_WATCH_MAX];
    uint64_t watch_cpu_us[LOAD_WATCH_MAX]; /* at first the start value, then the difference */
    const struct port  *port;
    const struct count *tcp;
};

uint64_t load_errors(const struct load_report *report);

/* The value below which `share` (0..1) of the samples lie, in us; 0 without samples. */
double load_percentile(const struct histogram *histogram, double share);

/* User and system time of a process so far; 0 where it is gone. */
uint64_t load_process_cpu_us(int pid);

void load_print_text(const struct load_report *report, FILE *out);
void load_print_json(const struct load_report *report, FILE *out);

#endif
