/* Goal: the process as run and the queue see it: settings, figures, attempts in, outcomes out,
 * whatever the servers outside do.  Method: the real loop, turned by the test; run, queue and a
 * scripted SMTP server on loopback are the test's own, in the same thread. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "deliver_attempt.h"
#include "deliver_loop.h"
#include "ipc_link.h"
#include "ipc_stats.h"

#define TURN_US 1000
#define TURNS_MAX 5000

/* What the server does when its script has come to that reply. */
#define DROP "\x01"    /* closes */
#define RESET "\x02"   /* RST */
#define SILENT "\x03"  /* says nothing more, and reads on */
#define FLOOD "\x04"   /* a line that never ends */

static const struct client_timeouts quick = {
    .connect = 400000, .greeting = 200000, .hello = 200000, .mail = 200000, .rcpt = 200000,
    .data = 200000, .block = 200000, .dot = 200000, .quit = 50000, .total = 5000000,
};

struct server {
    int         listen_fd, fd;
    uint16_t    port;
    const char *const *script; /* replies, in order; NULL ends */
    char        got[200000];
    size_t      got_bytes, seen;
    bool        in_data, silent;
    unsigned    connections;
};

struct world {
    struct deliver *d;
    int             run, queue; /* our ends */
    int             stats_fd;
    struct stats_region *stats;
    struct server   server;
    struct outcome  outcome;
    uint8_t         packet[ATTEMPT_BYTES_MAX];
    bool            alive;
};

static struct world w;
static struct made_attempt m;
static struct link_message message;

static void turn(void);

static void introduce_queue(void)
{
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(link_send(w.run, &(struct link_head){.type = LINK_LINK, .kind = IPC_QUEUE,
                                                          .epoch = 1}, NULL, &pair[0], 1), 0);
    close(pair[0]);
    w.queue = pair[1];
}

static int setup(void **state)
{
    int pair[2];

    (void)state;
    memset(&w, 0, sizeof(w));
    w.server.listen_fd = w.server.fd = -1;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    w.run = pair[0];
    w.d = deliver_new(pair[1], &quick);
    assert_non_null(w.d);
    w.alive = true;
    link_send(w.run, &(struct link_head){.type = LINK_SETTINGS},
              "{\"instance\":\"mx1.example.net\",\"runtime\":\"/x\",\"epoch\":1,"
              "\"log\":{\"format\":\"json\"}}", NULL, 0);
    w.stats_fd = stats_create(IPC_DELIVER, 1);
    w.stats = stats_map(w.stats_fd, IPC_DELIVER, false);
    assert_non_null(w.stats);
    link_send(w.run, &(struct link_head){.type = LINK_STATS, .kind = IPC_DELIVER, .epoch = 1}, NULL,
              &w.stats_fd, 1);
    introduce_queue();
    turn();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    deliver_free(w.d);
    stats_unmap(w.stats);
    close(w.stats_fd);
    close(w.run);
    if (w.queue >= 0)
        close(w.queue);
    if (w.server.fd >= 0)
        close(w.server.fd);
    if (w.server.listen_fd >= 0)
        close(w.server.listen_fd);
    return 0;
}

/* ---- the server ---- */

static void server_open(const char *const *script)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof(at);

    w.server.script = script;
    w.server.listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(w.server.listen_fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(w.server.listen_fd, 200), 0);
    getsockname(w.server.listen_fd, (struct sockaddr *)&at, &bytes);
    w.server.port = ntohs(at.sin_port);
}

static void server_close(bool reset)
{
    struct linger now = {.l_onoff = 1};

    if (reset)
        setsockopt(w.server.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(w.server.fd);
    w.server.fd = -1;
}

static void server_flood(void)
{
    static char line[65536];

    memset(line, '2', sizeof(line));
    for (int i = 0; i < 16; i++) /* a megabyte, as far as the client takes it */
        (void)!send(w.server.fd, line, sizeof(line), MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void server_say(void)
{
    const char *reply = *w.server.script;

    if (reply == NULL) {
        server_close(false);
        return;
    }
    w.server.script++;
    if (reply[0] == DROP[0] || reply[0] == RESET[0]) {
        server_close(reply[0] == RESET[0]);
    } else if (reply[0] == SILENT[0]) {
        w.server.silent = true;
    } else if (reply[0] == FLOOD[0]) {
        server_flood();
    } else {
        (void)!send(w.server.fd, reply, strlen(reply), MSG_NOSIGNAL);
        w.server.in_data = strncmp(reply, "354", 3) == 0;
    }
}

static void server_poll(void)
{
    struct server *s = &w.server;
    ssize_t n;
    char *end;

    if (s->listen_fd < 0)
        return;
    if (s->fd < 0) {
        s->fd = accept4(s->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (s->fd < 0)
            return;
        s->connections++;
        s->got_bytes = s->seen = 0;
        s->in_data = false;
        memset(s->got, 0, sizeof(s->got));
        server_say();
    }
    while (s->fd >= 0 &&
           (n = recv(s->fd, s->got + s->got_bytes, sizeof(s->got) - 1 - s->got_bytes, 0)) > 0)
        s->got_bytes += (size_t)n;
    while (s->fd >= 0 && !s->silent && (end = strstr(s->got + s->seen, "\r\n")) != NULL) {
        bool answer = !s->in_data || strncmp(s->got + s->seen, ".\r\n", 3) == 0;

        s->seen = (size_t)(end + 2 - s->got);
        if (answer) {
            s->in_data = false;
            server_say();
        }
    }
}

static void turn(void)
{
    w.alive = deliver_turn(w.d, TURN_US);
    server_poll();
}

/* ---- the queue ---- */

static bool outcome_wait(void)
{
    for (int i = 0; i < TURNS_MAX; i++) {
        ssize_t n = recv(w.queue, w.packet, sizeof(w.packet), MSG_DONTWAIT);

        if (n > 0) {
            assert_int_equal(outcome_parse(span_of(w.packet, (size_t)n), &w.outcome), 0);
            return true;
        }
        if (!w.alive)
            return false;
        turn();
    }
    return false;
}

static void attempt_to_server(const char *const *to, struct span content)
{
    char target[64];

    snprintf(target, sizeof(target), "smtp://127.0.0.1:%u", w.server.port);
    made_attempt(&m, 9, target, "s@example.com", to, content);
    assert_int_equal(made_attempt_send(&m, w.queue), 0);
}

static uint64_t figure(const char *metric)
{
    for (uint32_t i = 0; i < w.stats->counters; i++)
        if (strcmp(w.stats->counter_names[i].metric, metric) == 0)
            return count_get(&w.stats->worker[0].counters[i]);
    fail_msg("no figure %s", metric);
    return 0;
}

#define TO(...) ((const char *const[]){__VA_ARGS__, NULL})
#define SCRIPT(...) ((const char *const[]){__VA_ARGS__, NULL})
#define BODY span_str("Subject: x\r\n\r\n.hello\r\n")

/* ---- tests ---- */

static void test_says_ready(void **state)
{
    const char *why;

    (void)state;
    assert_int_equal(link_receive(w.run, &message, &why), 1);
    assert_int_equal(message.head.type, LINK_READY);
}

static void test_delivers_by_smtp(void **state)
{
    (void)state;
    server_open(SCRIPT("220 x\r\n", "250-x\r\n250 PIPELINING\r\n", "250 ok\r\n", "250 ok\r\n",
                       "550 5.1.1 who\r\n", "354 go\r\n", "250 2.0.0 taken\r\n", "221 bye\r\n"));
    attempt_to_server(TO("a@example.org", "b@example.org"), BODY);
    assert_true(outcome_wait());
    assert_int_equal(w.outcome.head.attempt, 9);
    assert_int_equal(w.outcome.head.message, 0x1122334455667709ull);
    assert_int_equal(w.outcome.head.recipients, 2);
    assert_int_equal(w.outcome.recipients[0].result, ATTEMPT_DELIVERED);
    assert_int_equal(w.outcome.recipients[1].result, ATTEMPT_FAILED);
    assert_int_equal(w.outcome.recipients[1].code, 550);
    assert_true(span_equal(w.outcome.recipients[1].text, span_str("who")));
    char remote[64];

    snprintf(remote, sizeof(remote), "127.0.0.1[127.0.0.1]:%u", w.server.port);
    assert_true(span_equal(w.outcome.remote, span_str(remote)));
    assert_non_null(strstr(w.server.got, "\r\n..hello\r\n.\r\n"));
    for (int i = 0; i < 20; i++)
        turn();
    assert_int_equal(figure("sluice_deliver_recipients_total{result=\"delivered\"}"), 1);
    assert_int_equal(figure("sluice_deliver_recipients_total{result=\"failed\"}"), 1);
    assert_int_equal(figure("sluice_deliver_in_flight"), 0);
    assert_int_equal(figure("sluice_deliver_bytes_total"), BODY.len);
}

static void test_servers_that_fail(void **state)
{
#define GREET "220 x\r\n"
#define OK "250 ok\r\n"
    const struct {
        const char *name;
        const char *const *script;
    } rows[] = {
        {"drop at the greeting", SCRIPT(DROP)},
        {"drop at EHLO", SCRIPT(GREET, DROP)},
        {"drop at MAIL", SCRIPT(GREET, OK, DROP)},
        {"drop at RCPT", SCRIPT(GREET, OK, OK, DROP)},
        {"drop at DATA", SCRIPT(GREET, OK, OK, OK, DROP)},
        {"drop at the dot", SCRIPT(GREET, OK, OK, OK, "354 go\r\n", DROP)},
        {"reset at the greeting", SCRIPT(RESET)},
        {"reset at EHLO", SCRIPT(GREET, RESET)},
        {"reset at MAIL", SCRIPT(GREET, OK, RESET)},
        {"reset at RCPT", SCRIPT(GREET, OK, OK, RESET)},
        {"reset at DATA", SCRIPT(GREET, OK, OK, OK, RESET)},
        {"reset at the dot", SCRIPT(GREET, OK, OK, OK, "354 go\r\n", RESET)},
        {"silent at the greeting", SCRIPT(SILENT)},
        {"silent at EHLO", SCRIPT(GREET, SILENT)},
        {"silent at MAIL", SCRIPT(GREET, OK, SILENT)},
        {"silent at RCPT", SCRIPT(GREET, OK, OK, SILENT)},
        {"silent at DATA", SCRIPT(GREET, OK, OK, OK, SILENT)},
        {"silent at the dot", SCRIPT(GREET, OK, OK, OK, "354 go\r\n", SILENT)},
        {"a megabyte without a line end", SCRIPT(FLOOD)},
        {"a megabyte at the dot", SCRIPT(GREET, OK, OK, OK, "354 go\r\n", FLOOD)},
        {"garbage", SCRIPT("\x16\x03\x01\x02 garbage\r\n")},
        {"garbage at MAIL", SCRIPT(GREET, OK, "ok\r\n")},
        {"421 at the greeting", SCRIPT("421 4.3.2 busy\r\n")},
        {"4yz at the dot", SCRIPT(GREET, OK, OK, OK, "354 go\r\n", "451 4.3.0 no\r\n", "221 x\r\n")},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        server_open(rows[i].script);
        attempt_to_server(TO("a@example.org"), BODY);
        if (!outcome_wait())
            fail_msg("%s: no outcome", rows[i].name);
        if (w.outcome.recipients[0].result != ATTEMPT_DEFERRED)
            fail_msg("%s: %d", rows[i].name, (int)w.outcome.recipients[0].result);
        assert_int_equal(w.server.connections, 1);
        for (int k = 0; k < 3; k++)
            turn();
        assert_int_equal(recv(w.queue, w.packet, sizeof(w.packet), MSG_DONTWAIT), -1); /* once */
        if (w.server.fd >= 0)
            close(w.server.fd);
        close(w.server.listen_fd);
        w.server = (struct server){.fd = -1, .listen_fd = -1};
    }
}

static void test_nobody_listens(void **state)
{
    char want[128];

    (void)state;
    server_open(SCRIPT(DROP));
    close(w.server.listen_fd);
    w.server.listen_fd = -1;
    attempt_to_server(TO("a@example.org", "b@example.org"), BODY);
    assert_true(outcome_wait());
    assert_int_equal(w.outcome.recipients[1].result, ATTEMPT_DEFERRED);
    assert_int_equal(w.outcome.recipients[1].status[0], 4);
    assert_int_equal(w.outcome.recipients[1].status[1], 4);
    assert_int_equal(w.outcome.recipients[1].status[2], 1);
    snprintf(want, sizeof(want), "127.0.0.1:%u: cannot connect: Connection refused", w.server.port);
    assert_true(span_equal(w.outcome.recipients[0].text, span_str(want)));
}

/* The dot is the promise that what came before it is the message. */
static void test_no_dot_for_bad_content(void **state)
{
    int log = memfd_create("log", MFD_CLOEXEC), was = dup(STDERR_FILENO);
    char line[4096] = "";

    (void)state;
    dup2(log, STDERR_FILENO);
    server_open(SCRIPT(GREET, OK, OK, OK, "354 go\r\n", "250 taken\r\n"));
    m.crc = 1;
    attempt_to_server(TO("a@example.org"), BODY);
    m.crc = 0;
    assert_true(outcome_wait());
    assert_int_equal(w.outcome.recipients[0].result, ATTEMPT_DEFERRED);
    for (int i = 0; i < 20; i++)
        turn();
    assert_null(strstr(w.server.got, "\r\n.\r\n"));
    assert_int_equal(figure("sluice_deliver_bad_content_total"), 1);
    dup2(was, STDERR_FILENO);
    close(was);
    /* One line of that, none of the delivery: that one is the queue's. */
    assert_true(pread(log, line, sizeof(line) - 1, 0) > 0);
    close(log);
    assert_non_null(strstr(line, "\"event\":\"bad-content\""));
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
}

static void test_large_content(void **state)
{
    size_t n = 150000;
    char *big = malloc(n);

    (void)state;
    assert_non_null(big);
    for (size_t i = 0; i < n; i++)
        big[i] = i % 64 == 62 ? '\r' : i % 64 == 63 ? '\n' : 'x';
    server_open(SCRIPT(GREET, OK, OK, OK, "354 go\r\n", "250 taken\r\n", "221 x\r\n"));
    attempt_to_server(TO("a@example.org"), span_of(big, n));
    assert_true(outcome_wait());
    assert_int_equal(w.outcome.recipients[0].result, ATTEMPT_DELIVERED);
    const char *data = strstr(w.server.got, "DATA\r\n");

    assert_non_null(data);
    assert_memory_equal(data + 6, big, n);
    free(big);
}

/* More attempts than slots: the rest waits in the socket, and all are served in the end. */
static void test_more_than_the_slots(void **state)
{
    unsigned sent = 0, done = 0;
    int size = 4 * 1024 * 1024;

    (void)state;
    setsockopt(w.queue, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    while (done < 3 * DELIVER_SLOTS) {
        while (sent < 3 * DELIVER_SLOTS) {
            made_attempt(&m, sent + 1, "discard:", "s@example.com", TO("a@example.org"), BODY);
            if (made_attempt_send(&m, w.queue) != 0)
                break;
            sent++;
        }
        assert_true(outcome_wait());
        assert_int_equal(w.outcome.recipients[0].result, ATTEMPT_DELIVERED);
        assert_true(figure("sluice_deliver_in_flight") <= DELIVER_SLOTS);
        done++;
    }
    assert_int_equal(figure("sluice_deliver_discarded_total"), 3 * DELIVER_SLOTS);
}

/* Silent servers hold every slot; nothing more is taken from the socket meanwhile. */
static void test_slots_are_bounded(void **state)
{
    (void)state;
    server_open(SCRIPT(SILENT));
    for (unsigned i = 0; i < DELIVER_SLOTS + 5; i++) {
        attempt_to_server(TO("a@example.org"), BODY);
        turn();
    }
    assert_int_equal(figure("sluice_deliver_in_flight"), DELIVER_SLOTS);
    for (unsigned i = 0; i < DELIVER_SLOTS + 5; i++)
        assert_true(outcome_wait());
}

static void test_queue_that_goes_away(void **state)
{
    (void)state;
    server_open(SCRIPT(SILENT));
    attempt_to_server(TO("a@example.org"), BODY);
    for (int i = 0; i < 5; i++)
        turn();
    assert_int_equal(figure("sluice_deliver_in_flight"), 1);
    close(w.queue);
    w.queue = -1;
    for (int i = 0; i < 3; i++)
        turn();
    assert_true(w.alive);
    assert_int_equal(figure("sluice_deliver_in_flight"), 0);
    assert_int_equal(figure("sluice_deliver_abandoned_total"), 1);
    introduce_queue();
    made_attempt(&m, 1, "discard:", "s@example.com", TO("a@example.org"), BODY);
    assert_int_equal(made_attempt_send(&m, w.queue), 0);
    assert_true(outcome_wait());
}

static void test_hostile_packets(void **state)
{
    static uint8_t large[ATTEMPT_BYTES_MAX + 100];

    (void)state;
    assert_int_equal(send(w.queue, "x", 1, 0), 1);
    assert_int_equal(send(w.queue, large, sizeof(large), 0), sizeof(large));
    for (int i = 0; i < 3; i++)
        turn();
    assert_true(w.alive);
    assert_int_equal(figure("sluice_deliver_malformed_total"), 2);
    made_attempt(&m, 1, "discard:", "s@example.com", TO("a@example.org"), BODY);
    m.fd_count = 1; /* says two, brings one */
    assert_int_equal(made_attempt_send(&m, w.queue), 0);
    assert_true(outcome_wait());
    assert_int_equal(w.outcome.recipients[0].result, ATTEMPT_DEFERRED);
}

static void test_stop_finishes_what_it_began(void **state)
{
    (void)state;
    server_open(SCRIPT(GREET, OK, OK, OK, "354 go\r\n", "250 taken\r\n", "221 x\r\n"));
    attempt_to_server(TO("a@example.org"), BODY);
    turn();
    link_send(w.run, &(struct link_head){.type = LINK_STOP}, NULL, NULL, 0);
    assert_true(outcome_wait());
    assert_int_equal(w.outcome.recipients[0].result, ATTEMPT_DELIVERED);
    for (int i = 0; i < 100 && w.alive; i++)
        turn();
    assert_false(w.alive);
    assert_int_equal(deliver_status(w.d), 0);
}

static void test_ends_with_run(void **state)
{
    (void)state;
    close(w.run);
    for (int i = 0; i < 10 && w.alive; i++)
        turn();
    assert_false(w.alive);
    w.run = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_says_ready),
        T(test_delivers_by_smtp),
        T(test_servers_that_fail),
        T(test_nobody_listens),
        T(test_no_dot_for_bad_content),
        T(test_large_content),
        T(test_more_than_the_slots),
        T(test_slots_are_bounded),
        T(test_queue_that_goes_away),
        T(test_hostile_packets),
        T(test_stop_finishes_what_it_began),
        T(test_ends_with_run),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
