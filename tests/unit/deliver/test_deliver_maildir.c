/* Goal: what stands in the Maildir is what the contract says, byte for byte, once per recipient
 * however often it is delivered, and never half a message.  Method: rows into a real directory. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "deliver_attempt.h"
#include "deliver_work.h"

static char base[32];
static const struct work_env env = {.instance = "mx1.example.net",
                                    .timeouts = &client_timeouts_rfc5321};

static int setup(void **state)
{
    (void)state;
    strcpy(base, "/tmp/sluice-maildir-XXXXXX");
    return mkdtemp(base) == NULL;
}

static int teardown(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof(command), "chmod -R u+rwx %s; rm -rf %s", base, base);
    return system(command) != 0;
}

/* How many files; the name and text of the last seen. */
static unsigned files_in(const char *inside, char name[300], char *text, size_t room)
{
    char path[1024];
    unsigned n = 0;
    struct dirent *e;
    DIR *d;

    snprintf(path, sizeof(path), "%s/box/%s", base, inside);
    d = opendir(path);
    assert_non_null(d);
    while ((e = readdir(d)) != NULL) {
        if (e->d_name[0] == '.')
            continue;
        n++;
        snprintf(name, 300, "%s", e->d_name);
        if (text == NULL)
            continue;
        int fd = openat(dirfd(d), e->d_name, O_RDONLY | O_CLOEXEC);
        ssize_t got = read(fd, text, room - 1);

        assert_true(got >= 0);
        text[got] = '\0';
        close(fd);
    }
    closedir(d);
    return n;
}

static struct work *begin(struct made_attempt *m, const char *const *to, struct span content,
                          const char *sender)
{
    char target[128];
    const char *why = NULL;
    struct work *w;

    snprintf(target, sizeof(target), "maildir:%s/box", base);
    made_attempt(m, 7, target, sender, to, content);
    w = work_new(span_of(m->packet, m->bytes), m->fds, m->fd_count, &env, (struct usec){0}, &why);
    assert_non_null(w);
    return w;
}

static struct work *deliver(struct made_attempt *m, const char *const *to, struct span content,
                            const char *sender)
{
    struct work *w = begin(m, to, content, sender);

    while (work_is_runnable(w))
        if (work_step(w))
            work_synced(w, work_sync(w));
    assert_true(work_is_decided(w) && work_is_over(w));
    return w;
}

#define TO(...) ((const char *const[]){__VA_ARGS__, NULL})

static void test_contents(void **state)
{
    static const struct {
        const char *name, *in, *out;
    } rows[] = {
        {"plain",                  "A: b\r\n\r\nhi\r\n", "A: b\n\nhi\n"},
        {"no line end at the end", "hi",                 "hi"          },
        {"bare CR stays",          "a\rb\r\r\nc\r",      "a\rb\r\nc\r" },
        {"bare LF stays",          "a\nb\r\n",           "a\nb\n"      },
        {"dots are themselves",    ".\r\n..\r\n",        ".\n..\n"     },
        {"8 bit",                  "\xff\xfe\r\n",       "\xff\xfe\n"  },
        {"one byte",               "x",                  "x"           },
    };
    static struct made_attempt m;
    char name[300], text[4096], want[4096];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct work *w = deliver(&m, TO("bob@example.org"), span_str(rows[i].in), "s@example.com");

        assert_int_equal(w->verdicts.of[0].result, ATTEMPT_DELIVERED);
        assert_int_equal(files_in("new", name, text, sizeof(text)), 1);
        assert_int_equal(files_in("tmp", name, NULL, 0), 0);
        snprintf(want, sizeof(want),
                 "Return-Path: <s@example.com>\nDelivered-To: bob@example.org\n%s", rows[i].out);
        if (strcmp(text, want) != 0)
            fail_msg("%s: '%s'", rows[i].name, text);
        work_free(w);
    }
}

static void test_null_sender(void **state)
{
    static struct made_attempt m;
    char name[300], text[4096];

    (void)state;
    work_free(deliver(&m, TO("\"a b\"@example.org"), span_str("x\r\n"), ""));
    assert_int_equal(files_in("new", name, text, sizeof(text)), 1);
    assert_string_equal(text, "Return-Path: <>\nDelivered-To: \"a b\"@example.org\nx\n");
}

static void test_directories_and_modes(void **state)
{
    static const char *const inside[] = {"", "/tmp", "/new", "/cur"};
    static struct made_attempt m;
    char path[512], name[300];
    struct stat st;

    (void)state;
    work_free(deliver(&m, TO("a@example.org"), span_str("x\r\n"), "s@x.example"));
    for (size_t i = 0; i < ARRAY_LEN(inside); i++) {
        snprintf(path, sizeof(path), "%s/box%s", base, inside[i]);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0700);
    }
    files_in("new", name, NULL, 0);
    snprintf(path, sizeof(path), "%s/box/new/%s", base, name);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_null(strchr(name, ':'));
    assert_int_equal(strncmp(name, "1700000000.", 11), 0);
    assert_non_null(strstr(name, ".mx1.example.net"));
}

/* Several recipients in one box are several files; the same again are the same files, in
 * whatever company they come. */
static void test_again_is_not_twice(void **state)
{
    static struct made_attempt m;
    char name[300], text[4096];

    (void)state;
    work_free(deliver(&m, TO("a@example.org", "b@example.org", "c@example.org"), span_str("x\r\n"),
                      "s@x.example"));
    assert_int_equal(files_in("new", name, NULL, 0), 3);
    work_free(deliver(&m, TO("c@example.org"), span_str("x\r\n"), "s@x.example"));
    work_free(deliver(&m, TO("b@example.org", "a@example.org"), span_str("x\r\n"), "s@x.example"));
    assert_int_equal(files_in("new", name, text, sizeof(text)), 3);
    work_free(deliver(&m, TO("d@example.org", "d@example.org"), span_str("x\r\n"), "s@x.example"));
    assert_int_equal(files_in("new", name, NULL, 0), 4);
}

static void test_leftover_in_tmp(void **state)
{
    static struct made_attempt m;
    char name[300], text[4096], from[1024], to[1024];

    (void)state;
    work_free(deliver(&m, TO("a@example.org"), span_str("whole\r\n"), "s@x.example"));
    files_in("new", name, NULL, 0);
    snprintf(from, sizeof(from), "%s/box/new/%s", base, name);
    snprintf(to, sizeof(to), "%s/box/tmp/%s", base, name);
    assert_int_equal(rename(from, to), 0);
    assert_int_equal(truncate(to, 3), 0); /* as a crash leaves it */
    work_free(deliver(&m, TO("a@example.org"), span_str("whole\r\n"), "s@x.example"));
    assert_int_equal(files_in("new", name, text, sizeof(text)), 1);
    assert_non_null(strstr(text, "whole\n"));
    assert_int_equal(files_in("tmp", name, NULL, 0), 0);
}

static void test_bad_checksum(void **state)
{
    static struct made_attempt m;
    char name[300];
    struct work *w;

    (void)state;
    m.crc = 1;
    w = deliver(&m, TO("a@example.org", "b@example.org"), span_str("x\r\n"), "s@x.example");
    m.crc = 0;
    assert_true(w->bad_content);
    for (int i = 0; i < 2; i++)
        assert_int_equal(w->verdicts.of[i].result, ATTEMPT_DEFERRED);
    work_free(w);
    assert_int_equal(files_in("new", name, NULL, 0), 0);
    assert_int_equal(files_in("tmp", name, NULL, 0), 0);
}

static void test_short_segment(void **state)
{
    static struct made_attempt m;
    struct work *w = begin(&m, TO("a@example.org"), span_str("0123456789"), "s@x.example");
    char name[300];

    (void)state;
    assert_int_equal(ftruncate(m.fds[0], 9), 0);
    while (work_is_runnable(w))
        assert_false(work_step(w));
    assert_true(w->bad_content);
    assert_int_equal(w->verdicts.of[0].result, ATTEMPT_DEFERRED);
    work_free(w);
    assert_int_equal(files_in("tmp", name, NULL, 0), 0);
}

/* A large message is cut into steps; given up in the middle it leaves nothing. */
static void test_large_in_steps(void **state)
{
    static struct made_attempt m;
    size_t n = 3 * MAILDIR_STEP_BYTES + 5;
    char *big = malloc(n), name[300];
    unsigned steps = 0;
    struct work *w;
    struct stat st;
    char path[1024];

    (void)state;
    assert_non_null(big);
    for (size_t i = 0; i < n; i++)
        big[i] = i % 64 == 62 ? '\r' : i % 64 == 63 ? '\n' : 'x';
    w = begin(&m, TO("a@example.org"), span_of(big, n), "s@x.example");
    work_step(w);
    assert_true(work_is_runnable(w));
    assert_int_equal(files_in("tmp", name, NULL, 0), 1);
    work_free(w);
    assert_int_equal(files_in("tmp", name, NULL, 0), 0);
    assert_int_equal(files_in("new", name, NULL, 0), 0);

    w = begin(&m, TO("a@example.org"), span_of(big, n), "s@x.example");
    while (!work_is_over(w)) {
        steps++;
        if (work_step(w))
            work_synced(w, work_sync(w));
    }
    assert_true(steps > 3);
    work_free(w);
    files_in("new", name, NULL, 0);
    snprintf(path, sizeof(path), "%s/box/new/%s", base, name);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, n - n / 64 +
                                     strlen("Return-Path: <s@x.example>\n"
                                            "Delivered-To: a@example.org\n"));
    free(big);
}

static void test_what_the_file_system_refuses(void **state)
{
    static struct made_attempt m;
    char path[512];
    const char *why = NULL;
    struct work *w;
    int fd;

    (void)state;
    /* The parent is missing. */
    snprintf(path, sizeof(path), "maildir:%s/no/box", base);
    made_attempt(&m, 7, path, "s@x.example", TO("a@example.org"), span_str("x\r\n"));
    w = work_new(span_of(m.packet, m.bytes), m.fds, 2, &env, (struct usec){0}, &why);
    assert_false(work_step(w));
    assert_int_equal(w->verdicts.of[0].result, ATTEMPT_DEFERRED);
    assert_non_null(
        memmem(w->verdicts.of[0].text, w->verdicts.of[0].text_bytes, "No such file", 12));
    work_free(w);
    /* A file stands where the box should. */
    snprintf(path, sizeof(path), "%s/box", base);
    fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    close(fd);
    w = deliver(&m, TO("a@example.org"), span_str("x\r\n"), "s@x.example");
    assert_int_equal(w->verdicts.of[0].result, ATTEMPT_DEFERRED);
    work_free(w);
    unlink(path);
    /* A sync that fails is no delivery. */
    w = begin(&m, TO("a@example.org"), span_str("x\r\n"), "s@x.example");
    assert_true(work_step(w));
    work_synced(w, -EIO);
    assert_int_equal(w->verdicts.of[0].result, ATTEMPT_DEFERRED);
    work_free(w);
}

static void test_discard_reads_all(void **state)
{
    static struct made_attempt m;
    const char *why = NULL;
    struct work *w;

    (void)state;
    for (uint32_t bad = 0; bad < 2; bad++) {
        m.crc = bad;
        made_attempt(&m, 7, "discard:", "s@x.example", TO("a@example.org"), span_str("x\r\n"));
        w = work_new(span_of(m.packet, m.bytes), m.fds, 2, &env, (struct usec){0}, &why);
        assert_false(work_step(w));
        assert_int_equal(w->verdicts.of[0].result, bad ? ATTEMPT_DEFERRED : ATTEMPT_DELIVERED);
        work_free(w);
    }
    m.crc = 0;
}

static void test_attempts_that_will_not_do(void **state)
{
    static struct made_attempt m;
    const char *why = NULL;
    struct work *w;

    (void)state;
    made_attempt(&m, 7, "lmtp:///x", "s@x.example", TO("a@example.org"), span_str("x\r\n"));
    w = work_new(span_of(m.packet, m.bytes), m.fds, 2, &env, (struct usec){0}, &why);
    assert_true(work_is_over(w) && work_is_decided(w));
    assert_int_equal(w->verdicts.of[0].result, ATTEMPT_DEFERRED);
    work_free(w);

    made_attempt(&m, 7, "discard:", "s@x.example", TO("a@example.org"), span_str("x\r\n"));
    close(m.fds[1]); /* one of two descriptors was lost on the way */
    w = work_new(span_of(m.packet, m.bytes), m.fds, 1, &env, (struct usec){0}, &why);
    assert_true(work_is_over(w));
    assert_int_equal(w->verdicts.of[0].result, ATTEMPT_DEFERRED);
    work_free(w);

    made_attempt(&m, 7, "discard:", "s@x.example", TO("a@example.org"), span_str("x\r\n"));
    w = work_new(span_of(m.packet, m.bytes - 1), m.fds, 2, &env, (struct usec){0}, &why);
    assert_null(w);
    assert_non_null(why);
    assert_int_equal(fcntl(m.fds[0], F_GETFD), -1); /* taken in every case */
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_contents),
        T(test_null_sender),
        T(test_directories_and_modes),
        T(test_again_is_not_twice),
        T(test_leftover_in_tmp),
        T(test_bad_checksum),
        T(test_short_segment),
        T(test_large_in_steps),
        T(test_what_the_file_system_refuses),
        T(test_discard_reads_all),
        T(test_attempts_that_will_not_do),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
