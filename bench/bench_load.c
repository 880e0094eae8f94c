/* bench_load.c - sessions from SYN to last ACK, and the turns they take. */
#include "bench_load.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

#define OPENS_A_TURN    32
#define GOES_A_TURN     256
#define TIMERS_A_TURN   256
#define TUPLE_TRIES     64
#define PORT_FIRST      2000u
#define SECOND_US       1000000u
#define RESOLVE_US      10000000u /* for the next hop's MAC */
#define WIND_UP_US      10000000u /* after a stop, for sessions to end */
#define LATE_US         1000u
#define SEND_BUFFER     65536u
#define RECEIVE_WINDOW  65536u
#define BLOCKS_MAX      (1u << 19)
#define SCRIPT_TEXT_MAX 1024

struct session {
    bool in_use, up, failed;
    struct client client;
    struct usec began, asked; /* asked: when the whole text of the step had been written */
};

struct load {
    const struct load_settings *settings;
    struct load_report *report;
    struct port port;
    struct tcp *tcp;
    struct count tcp_counters[TCP_COUNTERS];
    struct session *sessions;
    struct client_script script;
    struct net_path path;
    bool resolved;
    uint32_t slots, open, opening; /* opening: not held yet */
    uint64_t next_tuple;
    uint32_t go_cursor;
    uint64_t tsc_hz, tsc_start, clock_start_us;
    struct usec now, first, held_since, checked, stopped;
    char text[3][SCRIPT_TEXT_MAX];
};

/* On the system's clock, so that a later run's sequence numbers are beyond an earlier one's. */
static struct usec read_clock(const struct load *l)
{
    unsigned __int128 cycles = bench_port_cycles() - l->tsc_start;

    return (struct usec){l->clock_start_us + (uint64_t)(cycles * SECOND_US / l->tsc_hz)};
}

static void failed(struct load *l, struct session *s, enum load_error error)
{
    if (!s->failed)
        l->report->error[error]++;
    s->failed = true;
}

/* ---- the script ---- */

/* Lines of 64 and CRLF; the second begins with a dot, which is doubled here. */
static struct span make_body(uint32_t bytes)
{
    static const char head[] = "Subject: load\r\n..dot\r\n";
    size_t text = bytes > sizeof(head) - 2 ? bytes + 1 : sizeof(head) - 1;
    char *p = malloc(text + 5);

    if (p == NULL)
        return span_of(NULL, 0);
    memset(p, 'x', text);
    memcpy(p, head, sizeof(head) - 1);
    for (size_t at = sizeof(head) - 1 + 64; at + 4 <= text; at += 66)
        memcpy(p + at, "\r\n", 2);
    memcpy(p + text - 2, "\r\n.\r\n", 5);
    return span_of(p, text + 3);
}

static void add_step(struct load *l, const char *name, struct span send, uint16_t expect)
{
    l->script.step[l->script.count++] =
        (struct client_step){.name = name, .send = send, .expect = expect};
}

static int make_script(struct load *l)
{
    const struct load_settings *s = l->settings;

    snprintf(l->text[0], SCRIPT_TEXT_MAX, "EHLO client.example.net\r\n");
    snprintf(l->text[1], SCRIPT_TEXT_MAX, "MAIL FROM:<%s>\r\n", s->sender);
    snprintf(l->text[2], SCRIPT_TEXT_MAX, "RCPT TO:<%s>\r\n", s->recipient);
    add_step(l, "greeting", span_of(NULL, 0), 220);
    add_step(l, "ehlo", span_str(l->text[0]), 250);
    l->script.step[l->script.count - 1].hold = s->hold;
    if (!s->hold) {
        add_step(l, "mail", span_str(l->text[1]), 250);
        add_step(l, "rcpt", span_str(l->text[2]), s->refuse ? 550 : 250);
    }
    if (!s->hold && !s->refuse) {
        struct span body = make_body(s->body_bytes);

        if (body.ptr == NULL)
            return -1;
        add_step(l, "data", span_str("DATA\r\n"), 354);
        add_step(l, "message", body, 250);
    }
    add_step(l, "quit", span_str("QUIT\r\n"), 221);
    return 0;
}

/* ---- one session ---- */

static void measure(struct load *l, struct session *s, unsigned step)
{
    const char *name = l->script.step[step].name;
    uint64_t us = usec_since(s->asked, l->now);

    if (step == 0)
        return;
    if (name[0] == 'm' && name[1] == 'e') {
        l->report->messages++;
        histogram_add(&l->report->latency[LOAD_L_COMMIT], us);
        return;
    }
    histogram_add(&l->report->latency[LOAD_L_REPLY], us);
    if (name[0] == 'r')
        histogram_add(&l->report->latency[LOAD_L_RCPT], us);
}

/* What the machine made of some bytes; false: the session is spoilt. */
static bool heard(struct load *l, struct session *s, unsigned step, enum client_verdict v)
{
    switch (v) {
    case CLIENT_MORE:
        return true;
    case CLIENT_HELD:
        l->report->held++;
        l->opening--;
        measure(l, s, step);
        return true;
    case CLIENT_STEP:
    case CLIENT_OVER:
        measure(l, s, step);
        return true;
    case CLIENT_CODE:
        l->report->wrong[step]++;
        l->report->wrong_code[step] = s->client.code;
        failed(l, s, LOAD_CODE);
        return false;
    case CLIENT_SYNTAX:
        failed(l, s, LOAD_SYNTAX);
        return false;
    case CLIENT_EARLY:
        failed(l, s, LOAD_EARLY);
        return false;
    }
    return false;
}

static void talk(struct load *l, struct session *s, struct tcp_conn *conn)
{
    struct span out = client_output(&s->client, &l->script);
    size_t n;

    if (out.len == 0)
        return;
    n = tcp_write(l->tcp, conn, out);
    client_sent(&s->client, n);
    if (n == out.len)
        s->asked = l->now;
}

static void session_run(struct load *l, struct tcp_conn *conn)
{
    struct session *s = &l->sessions[tcp_slot(conn)];
    struct span in;

    if (!s->in_use || !tcp_established(conn))
        return;
    if (!s->up) {
        s->up = true;
        histogram_add(&l->report->latency[LOAD_L_CONNECT], usec_since(s->asked, l->now));
    }
    while ((in = tcp_peek(l->tcp, conn)).len > 0) {
        size_t before = in.len;
        unsigned step = s->client.step;
        bool good = !s->failed && heard(l, s, step, client_input(&s->client, &l->script, &in));

        if (!good) {
            tcp_abort(l->tcp, conn, l->now);
            return;
        }
        tcp_consume(l->tcp, conn, before - in.len);
    }
    talk(l, s, conn);
    if (tcp_at_eof(conn)) {
        if (!client_is_over(&s->client, &l->script))
            failed(l, s, LOAD_EOF);
        tcp_close(l->tcp, conn, l->now);
    }
    tcp_settle(l->tcp, conn, l->now);
}

static void session_gone(struct load *l, uint32_t slot, enum tcp_gone why)
{
    struct session *s = &l->sessions[slot];
    bool over = client_is_over(&s->client, &l->script);

    if (!s->in_use)
        return;
    if (why == TCP_GONE_RESET)
        failed(l, s, s->up ? LOAD_RESET : LOAD_REFUSED);
    else if (why == TCP_GONE_TIMEOUT)
        failed(l, s, LOAD_TIMEOUT);
    else if (!over)
        failed(l, s, LOAD_EOF);
    if (!s->failed) {
        l->report->completed++;
        histogram_add(&l->report->latency[LOAD_L_SESSION], usec_since(s->began, l->now));
    }
    if (!l->settings->hold || s->client.step < 2)
        l->opening--;
    s->in_use = false;
    l->open--;
}

/* ---- beginnings ---- */

static bool session_open(struct load *l, struct usec due)
{
    const struct load_settings *set = l->settings;
    struct tcp_conn *conn = NULL;
    struct session *s;

    for (unsigned i = 0; i < TUPLE_TRIES && conn == NULL; i++) {
        uint64_t n = l->next_tuple++;
        struct tcp_key key = {
            .remote = set->to,
            .remote_port = set->to_port,
            .local = ip_from_v4(ip_to_v4(&set->port.address) + (uint32_t)(n % set->port.clients)),
            .local_port = (uint16_t)(PORT_FIRST + n / set->port.clients % LOAD_PORTS),
        };

        conn = tcp_connect(l->tcp, &key, &l->path, l->now);
    }
    l->report->started++;
    if (conn == NULL) {
        l->report->error[LOAD_NO_TUPLE]++;
        return false;
    }
    s = &l->sessions[tcp_slot(conn)];
    *s = (struct session){.in_use = true, .began = due, .asked = l->now};
    client_init(&s->client);
    l->open++;
    l->opening++;
    return true;
}

static void open_sessions(struct load *l)
{
    const struct load_settings *set = l->settings;

    if (l->stopped.us != 0)
        return;
    for (unsigned i = 0; i < OPENS_A_TURN; i++) {
        struct usec due = l->now;

        if (l->report->started == set->sessions || l->opening >= set->concurrency)
            return;
        if (set->rate != 0) {
            due = usec_add(l->first, (uint64_t)((unsigned __int128)l->report->started * SECOND_US /
                                                set->rate));
            if (!usec_reached(due, l->now))
                return;
            l->report->late += usec_since(due, l->now) > LATE_US;
        }
        session_open(l, due);
    }
}

/* All are there: after the wait they quit, some each turn. */
static void end_holding(struct load *l)
{
    const struct load_settings *set = l->settings;

    if (!set->hold || l->report->started < set->sessions || l->opening > 0)
        return;
    if (l->held_since.us == 0) {
        l->held_since = l->now;
        fprintf(stderr, "sluice-load: %llu sessions held\n", (unsigned long long)l->report->held);
    }
    if (usec_since(l->held_since, l->now) < set->hold_us && l->stopped.us == 0)
        return;
    for (unsigned i = 0; i < GOES_A_TURN && l->go_cursor < l->slots; i++, l->go_cursor++) {
        struct session *s = &l->sessions[l->go_cursor];
        struct tcp_conn *conn = s->in_use ? tcp_at(l->tcp, l->go_cursor) : NULL;

        if (conn == NULL || !s->client.held)
            continue;
        client_go(&s->client);
        talk(l, s, conn);
    }
}

/* Once a second: what takes too long is reset. */
static void end_late(struct load *l)
{
    if (l->settings->hold || usec_since(l->checked, l->now) < SECOND_US)
        return;
    l->checked = l->now;
    for (uint32_t slot = 0; slot < l->slots; slot++) {
        struct session *s = &l->sessions[slot];
        struct tcp_conn *conn;

        if (!s->in_use || usec_since(s->began, l->now) < l->settings->timeout_us)
            continue;
        conn = tcp_at(l->tcp, slot);
        failed(l, s, LOAD_TIMEOUT);
        if (conn != NULL)
            tcp_abort(l->tcp, conn, l->now);
    }
}

/* ---- turns ---- */

static void events(struct load *l)
{
    struct tcp_event ev;

    while (tcp_next(l->tcp, &ev)) {
        if (ev.type == TCP_EV_CONN)
            session_run(l, ev.conn);
        else if (ev.type == TCP_EV_GONE)
            session_gone(l, ev.slot, ev.why);
        else
            tcp_embryo_reset(l->tcp, ev.embryo); /* nothing listens here */
    }
}

static unsigned turn(struct load *l)
{
    unsigned n = bench_port_receive(&l->port);
    struct tcp_seg seg;

    l->now = read_clock(l);
    while (bench_port_next(&l->port, l->now, &seg)) {
        struct tcp_conn *conn = NULL;

        if (tcp_input(l->tcp, &seg, l->now, &conn) == TCP_IN_CONN)
            session_run(l, conn);
        events(l);
    }
    tcp_timers(l->tcp, l->now, TIMERS_A_TURN);
    events(l);
    if (l->resolved) {
        open_sessions(l);
        end_holding(l);
        end_late(l);
    }
    tcp_flush(l->tcp, l->now);
    bench_port_tick(&l->port, l->now);
    bench_port_flush(&l->port);
    return n;
}

static int resolve(struct load *l, const volatile bool *stop, const char **ret_why)
{
    struct usec began;

    l->now = began = read_clock(l);
    while (!net_gateway_mac(l->port.net, 0, 0, l->path.mac)) {
        if (*stop || usec_since(began, l->now) > RESOLVE_US) {
            *ret_why = "the next hop does not answer ARP";
            return -1;
        }
        turn(l);
    }
    l->resolved = true;
    return 0;
}

static void run(struct load *l, const volatile bool *stop)
{
    uint64_t began = bench_port_cycles(), at = began;

    l->first = l->checked = l->now = read_clock(l);
    while (l->open > 0 || (l->report->started < l->settings->sessions && l->stopped.us == 0)) {
        bool busy = turn(l) > 0;
        uint64_t now = bench_port_cycles();

        if (busy)
            l->report->busy_tsc += now - at;
        at = now;
        if (*stop && l->stopped.us == 0)
            l->stopped = l->now;
        if (l->stopped.us != 0 && usec_since(l->stopped, l->now) > WIND_UP_US)
            break;
    }
    l->report->all_tsc = at - began;
    l->report->elapsed_us = usec_since(l->first, l->now);
    l->report->error[LOAD_CUT] += l->open;
}

/* ---- start ---- */

static void *take_memory(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                   -1, 0);

    return p == MAP_FAILED ? NULL : p;
}

static int make_tables(struct load *l)
{
    const struct load_settings *set = l->settings;
    struct tcp_out out = {.ctx = &l->port, .send = bench_port_send};
    uint64_t talking = set->hold ? set->concurrency : l->slots;
    uint64_t most = set->body_bytes < SEND_BUFFER ? set->body_bytes : SEND_BUFFER;
    uint64_t blocks = talking * (most / TCP_BLOCK_BYTES + 3) + 1024;
    struct tcp_config config = {
        .connections = l->slots,
        .embryos = 64,
        .time_waits = 1024,
        .blocks = blocks < BLOCKS_MAX ? (uint32_t)blocks : BLOCKS_MAX,
        .receive_window = RECEIVE_WINDOW,
        .send_buffer = SEND_BUFFER,
        .time_wait_us = SECOND_US, /* the server closes first: only for those that fail */
        .linger_us = SECOND_US,
        .mss_v4 = 1460,
        .mss_v6 = 1440,
        .secret = "sluice-load", /* the same each time: see read_clock() */
    };
    void *memory = take_memory(tcp_bytes(&config));

    l->sessions = take_memory(sizeof(*l->sessions) * l->slots);
    if (memory == NULL || l->sessions == NULL)
        return -1;
    l->tcp = tcp_init(memory, &config, &out, l->tcp_counters);
    return l->tcp != NULL ? 0 : -1;
}

static uint64_t own_cpu_us(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * SECOND_US +
           (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static int start(struct load *l, const char **ret_why)
{
    const struct load_settings *set = l->settings;
    struct timespec t;

    l->slots = (uint32_t)(set->hold ? set->sessions + set->concurrency : set->concurrency);
    l->slots += l->slots / 4 + 64; /* the last ACK of some is still on the way */
    *ret_why = "out of memory";
    if (make_script(l) != 0 || make_tables(l) != 0)
        return -1;
    if (bench_port_open(&l->port, &set->port, ret_why) != 0)
        return -1;
    clock_gettime(CLOCK_MONOTONIC, &t);
    l->clock_start_us = (uint64_t)t.tv_sec * SECOND_US + (uint64_t)t.tv_nsec / 1000;
    l->tsc_hz = bench_port_hz();
    l->tsc_start = bench_port_cycles();
    return 0;
}

int load_run(const struct load_settings *settings, const volatile bool *stop,
             struct load_report *ret, const char **ret_why)
{
    static struct load load;
    struct load *l = &load;
    uint64_t cpu_us;

    l->settings = settings;
    l->report = ret;
    *ret = (struct load_report){.script = &l->script,
                                .port = &l->port,
                                .tcp = l->tcp_counters,
                                .watched = settings->watched};
    if (start(l, ret_why) != 0 || resolve(l, stop, ret_why) != 0)
        return -1;
    for (unsigned i = 0; i < ret->watched; i++) {
        ret->watch_pid[i] = settings->watch[i];
        ret->watch_cpu_us[i] = load_process_cpu_us(settings->watch[i]);
    }
    cpu_us = own_cpu_us();
    run(l, stop);
    ret->own_cpu_us = own_cpu_us() - cpu_us;
    for (unsigned i = 0; i < ret->watched; i++)
        ret->watch_cpu_us[i] = load_process_cpu_us(settings->watch[i]) - ret->watch_cpu_us[i];
    bench_port_close(&l->port);
    return 0;
}
