/* test_core_log.c - sessions' events become lines; a flood of refusals becomes a few.
 *
 * Goal: accepted mail always has its line, refusals above the rate are gathered by (prefix, code,
 * status) without losing count, and the number of lines a second is bounded whatever comes.
 * Method: a ring filled by hand, descriptor 2 caught in a memory file and read as JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include <jansson.h>
#include <sys/mman.h>

#include "core_log.h"

#define WORKERS   2
#define ENTRIES   2048
#define RATE      3
#define LINES_MAX 1024
#define SECOND_US UINT64_C(1000000)
#define START_US  (UINT64_C(1700000000) * SECOND_US)

static struct core core = {.workers_count = WORKERS};
static void *memory[WORKERS];
static struct ring put[WORKERS], get[WORKERS];
static struct core_log *log_under_test;
static int saved = -1, caught = -1;
static json_t *lines[LINES_MAX];
static unsigned lines_count;

static int begin(void **state)
{
    (void)state;
    for (unsigned i = 0; i < WORKERS; i++) {
        size_t bytes = (ring_bytes(ENTRIES, sizeof(struct smtp_log_event)) + 63) & ~(size_t)63;

        memory[i] = aligned_alloc(64, bytes);
        assert_non_null(memory[i]);
        memset(memory[i], 0, bytes);
        ring_attach(&put[i], memory[i], ENTRIES, sizeof(struct smtp_log_event));
        ring_attach(&get[i], memory[i], ENTRIES, sizeof(struct smtp_log_event));
    }
    log_under_test = core_log_new(RATE);
    assert_non_null(log_under_test);
    return 0;
}

static void forget_lines(void)
{
    for (unsigned i = 0; i < lines_count; i++)
        json_decref(lines[i]);
    lines_count = 0;
}

static int end(void **state)
{
    (void)state;
    forget_lines();
    free(log_under_test);
    for (unsigned i = 0; i < WORKERS; i++)
        free(memory[i]);
    return 0;
}

static void catch_start(void)
{
    fflush(NULL);
    saved = dup(STDERR_FILENO);
    caught = memfd_create("log", MFD_CLOEXEC);
    if (saved < 0 || caught < 0 || dup2(caught, STDERR_FILENO) < 0)
        abort();
}

/* From here on failures are heard again: descriptor 2 is its old self. */
static void catch_end(void)
{
    char text[4096 + 1], *next;
    FILE *f;

    dup2(saved, STDERR_FILENO);
    close(saved);
    forget_lines();
    f = fdopen(caught, "r");
    assert_non_null(f);
    rewind(f);
    while ((next = fgets(text, sizeof(text), f)) != NULL) {
        assert_true(lines_count < LINES_MAX);
        assert_non_null(strchr(next, '\n'));
        lines[lines_count] = json_loads(next, 0, NULL);
        assert_non_null(lines[lines_count]);
        lines_count++;
    }
    fclose(f);
}

static unsigned drain(void)
{
    unsigned n;

    catch_start();
    n = core_log_drain(log_under_test, &core, get);
    catch_end();
    return n;
}

static void second(uint64_t wall_us, bool now)
{
    catch_start();
    core_log_second(log_under_test, wall_us, now);
    catch_end();
}

static const char *str(unsigned line, const char *key)
{
    const char *text = json_string_value(json_object_get(lines[line], key));

    return text != NULL ? text : "";
}

static json_int_t number(unsigned line, const char *key)
{
    return json_integer_value(json_object_get(lines[line], key));
}

static struct smtp_log_event event(uint32_t type, struct ip_addr client, uint16_t code)
{
    struct smtp_log_event e;

    memset(&e, 0, sizeof(e));
    e.type = type;
    e.wall_us = START_US;
    e.session = 77;
    e.client = client;
    e.client_port = 40000;
    e.local = ip_from_v4(0x0a190019);
    e.local_port = 25;
    e.code = code;
    if (code != 0)
        memcpy(e.status, (const uint8_t[]){5, 1, 1}, 3);
    return e;
}

static void say(unsigned worker, struct smtp_log_event e)
{
    assert_int_equal(ring_put(&put[worker], &e, 1), 1);
}

static void refuse(uint32_t client, uint16_t code)
{
    say(0, event(SMTP_LOG_REFUSED, ip_from_v4(client), code));
}

/* The lines that gather, wherever they stand among lines_count lines; 0: none such. */
static json_int_t gathered(const char *prefix, json_int_t code)
{
    json_int_t sum = 0;

    for (unsigned i = 0; i < lines_count; i++)
        if (strcmp(str(i, "event"), "refused-more") == 0 && strcmp(str(i, "prefix"), prefix) == 0 &&
            number(i, "code") == code)
            sum += number(i, "count");
    return sum;
}

static void a_line_has_its_figures(void **state)
{
    struct smtp_log_event e = event(SMTP_LOG_ACCEPTED, ip_from_v4(0xc0000209), 0);

    (void)state;
    e.message = 5;
    e.recipients = 2;
    e.bytes_in = 1234;
    e.policy_generation = 9;
    memcpy(e.text,
           "\x02\x05"
           "a@b.c"
           "\x06\x00"
           "\x63\x01"
           "z"
           "\x03\x09"
           "cut",
           17);
    e.text_bytes = 17; /* sender; cut; an unknown tag; an item longer than what is left */
    say(0, e);
    e = event(SMTP_LOG_SESSION, ip_from_v4(0xc0000209), 550);
    e.end = 200;
    e.text_bytes = UINT32_MAX; /* nobody writes this; nobody may trip over it */
    say(1, e);
    assert_int_equal(drain(), 2);
    assert_int_equal(lines_count, 2);
    assert_string_equal(str(0, "event"), "accepted");
    assert_string_equal(str(0, "sender"), "a@b.c");
    assert_string_equal(str(0, "recipient"), "");
    assert_true(json_is_true(json_object_get(lines[0], "cut")));
    assert_int_equal(number(0, "recipients"), 2);
    assert_int_equal(number(0, "bytes"), 1234);
    assert_int_equal(number(0, "policy"), 9);
    assert_null(json_object_get(lines[0], "code"));
    assert_string_equal(str(1, "event"), "session");
    assert_string_equal(str(1, "end"), "unknown");
    assert_int_equal(number(1, "code"), 550);
    assert_string_equal(str(1, "status"), "5.1.1");
    assert_int_equal(drain(), 0);
    assert_int_equal(lines_count, 0);
}

static void refusals_over_the_rate_are_gathered(void **state)
{
    struct ip_addr six = {
        .octets = {0xfd, 0x25}
    };

    (void)state;
    for (uint32_t i = 0; i < 10; i++)
        refuse(0xc0000200 + i, 550); /* 192.0.2.0/24 */
    assert_int_equal(drain(), 10);
    assert_int_equal(lines_count, RATE);
    for (unsigned i = 0; i < RATE; i++)
        assert_string_equal(str(i, "event"), "refused");
    refuse(0xc0000201, 554);
    refuse(0xc0000301, 550);
    for (unsigned i = 0; i < 2; i++) { /* one /64 */
        six.octets[15] = (uint8_t)i;
        say(1, event(SMTP_LOG_REFUSED, six, 550));
    }
    six.octets[7] = 1; /* the next */
    say(1, event(SMTP_LOG_REFUSED, six, 550));
    assert_int_equal(drain(), 5);
    assert_int_equal(lines_count, 0);
    second(START_US, false);
    assert_int_equal(lines_count, 5);
    assert_int_equal(gathered("192.0.2.0", 550), 10 - RATE);
    assert_int_equal(gathered("192.0.2.0", 554), 1);
    assert_int_equal(gathered("192.0.3.0", 550), 1);
    assert_int_equal(gathered("fd25::", 550), 2);
    assert_int_equal(gathered("fd25:0:0:1::", 550), 1);
    assert_string_equal(str(0, "status"), "5.1.1");
    second(START_US + SECOND_US, false); /* told once */
    assert_int_equal(lines_count, 0);
}

static void a_second_is_a_second(void **state)
{
    (void)state;
    second(START_US, false);
    for (unsigned i = 0; i < RATE + 1; i++)
        refuse(0xc0000201, 550);
    drain();
    assert_int_equal(lines_count, RATE);
    second(START_US + SECOND_US - 1, false); /* not over: nothing told, the rate still used up */
    assert_int_equal(lines_count, 0);
    refuse(0xc0000201, 550);
    drain();
    assert_int_equal(lines_count, 0);
    second(START_US + SECOND_US, false);
    assert_int_equal(lines_count, 1);
    assert_int_equal(gathered("192.0.2.0", 550), 2);
    for (unsigned i = 0; i < RATE + 1; i++)
        refuse(0xc0000201, 550);
    drain();
    assert_int_equal(lines_count, RATE); /* a new second's worth */
    second(START_US + SECOND_US, true);  /* at once, as before the end */
    assert_int_equal(lines_count, 1);
    assert_int_equal(gathered("192.0.2.0", 550), 1);
}

static void mail_is_never_gathered_away(void **state)
{
    struct smtp_log_event e;

    (void)state;
    for (unsigned i = 0; i < RATE; i++)
        refuse(0xc0000201, 550);
    drain();
    for (unsigned i = 0; i < 20; i++) {
        e = event(SMTP_LOG_ACCEPTED, ip_from_v4(0xc0000201), 0);
        e.message = 1;
        say(0, e);
        e = event(SMTP_LOG_SESSION, ip_from_v4(0xc0000201), 550);
        e.messages = 1; /* brought mail, and had a refusal too */
        say(0, e);
        e.messages = 0; /* brought nothing */
        say(0, e);
    }
    assert_int_equal(drain(), 60);
    assert_int_equal(lines_count, 40);
    for (unsigned i = 0; i < lines_count; i++)
        assert_string_equal(str(i, "event"), i % 2 == 0 ? "accepted" : "session");
    second(START_US, true);
    assert_int_equal(lines_count, 1);
    assert_int_equal(gathered("192.0.2.0", 550), 20);
}

/* More prefixes than cells: the lines are bounded, the sum is right. */
static void a_flood_from_everywhere(void **state)
{
    unsigned taken = 0, n, named = 0;
    json_int_t sum = 0;

    (void)state;
    for (uint32_t i = 0; i < ENTRIES; i++)
        refuse(0x0b000001 + (i << 8), 550);
    while ((n = drain()) > 0) {
        assert_true(n <= WORKERS * 64); /* a round is bounded: the main lcore has other work */
        taken += n;
    }
    assert_int_equal(taken, ENTRIES);
    second(START_US, true);
    assert_true(lines_count > 200 && lines_count <= 256 + 1);
    for (unsigned i = 0; i < lines_count; i++) {
        assert_string_equal(str(i, "event"), "refused-more");
        sum += number(i, "count");
        named += json_object_get(lines[i], "prefix") != NULL;
    }
    assert_int_equal(sum, ENTRIES - RATE);
    assert_int_equal(named, lines_count - 1); /* the rest in one line without a prefix */
    second(START_US + 5 * SECOND_US, false);
    assert_int_equal(lines_count, 0); /* the cells are free again */
}

static void rate_zero_gathers_all(void **state)
{
    (void)state;
    free(log_under_test);
    log_under_test = core_log_new(0);
    assert_non_null(log_under_test);
    refuse(0xc0000201, 550);
    assert_int_equal(drain(), 1);
    assert_int_equal(lines_count, 0);
    second(START_US, true);
    assert_int_equal(gathered("192.0.2.0", 550), 1);
}

/* A main lcore that does not keep up costs lines of refusals and sessions, not those of mail. */
static void accepted_mail_has_half_the_ring(void **state)
{
    static struct count counters[CORE_COUNTERS];
    struct worker *w = calloc(1, sizeof(*w));
    uint8_t *ring = aligned_alloc(64, (ring_bytes(LOG_ENTRIES, sizeof(struct smtp_log_event)) + 63) & ~(size_t)63);
    struct smtp_log_event e;
    struct ring out;
    uint32_t accepted = 0, others = 0;

    (void)state;
    assert_non_null(w);
    assert_non_null(ring);
    memset(ring, 0, ring_bytes(LOG_ENTRIES, sizeof(struct smtp_log_event)));
    ring_attach(&w->log_ring, ring, LOG_ENTRIES, sizeof(struct smtp_log_event));
    ring_attach(&out, ring, LOG_ENTRIES, sizeof(struct smtp_log_event));
    w->counters = counters;
    w->log = (struct smtp_log){.events = w->log_events, .cap = LOG_SCRATCH};
    for (uint32_t i = 0; i < LOG_ENTRIES; i++) {
        w->log.events[0].type = SMTP_LOG_REFUSED;
        w->log.events[1].type = i < 1000 ? SMTP_LOG_ACCEPTED : SMTP_LOG_SESSION;
        w->log.count = 2;
        core_log_give(w);
        assert_int_equal(w->log.count, 0);
    }
    for (uint32_t i = 0; i < 3000; i++) { /* the ring's half for the others is full by now */
        w->log.events[0].type = SMTP_LOG_ACCEPTED;
        w->log.events[1].type = SMTP_LOG_SESSION;
        w->log.count = 2;
        core_log_give(w);
    }
    while (ring_get(&out, &e, 1) == 1) {
        accepted += e.type == SMTP_LOG_ACCEPTED;
        others += e.type != SMTP_LOG_ACCEPTED;
    }
    assert_int_equal(accepted, 4000);
    assert_in_range(others, LOG_ENTRIES / 2 - 1000 - 2, LOG_ENTRIES / 2);
    assert_int_equal(count_get(&counters[CORE_LOG_LOST]), 2 * LOG_ENTRIES + 6000 - accepted - others);
    free(ring);
    free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepted_mail_has_half_the_ring),
        cmocka_unit_test_setup_teardown(a_line_has_its_figures, begin, end),
        cmocka_unit_test_setup_teardown(refusals_over_the_rate_are_gathered, begin, end),
        cmocka_unit_test_setup_teardown(a_second_is_a_second, begin, end),
        cmocka_unit_test_setup_teardown(mail_is_never_gathered_away, begin, end),
        cmocka_unit_test_setup_teardown(a_flood_from_everywhere, begin, end),
        cmocka_unit_test_setup_teardown(rate_zero_gathers_all, begin, end),
    };

    return cmocka_run_group_tests_name("core_log", tests, NULL, NULL);
}
