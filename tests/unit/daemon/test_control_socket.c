/* Goal: one JSON object a line each way, within bounds, whatever a client does.  Method: a real
 * socket in a temporary directory; the clock is the test's. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "control_socket.h"

static char dir[32], path[64];
static struct control_socket *s;
static struct usec now;

static int setup(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/sluice-socket-XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/control.sock", dir);
    assert_int_equal(control_socket_open(path, &s), 0);
    now = (struct usec){.us = 1000};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    s = control_socket_close(s);
    assert_int_equal(access(path, F_OK), -1);
    rmdir(dir);
    return 0;
}

static int dial(void)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    strcpy(at.sun_path, path);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    control_socket_turn(s, now);
    return fd;
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
    control_socket_turn(s, now);
}

/* What came for fd; "" nothing, NULL it was closed. */
static const char *hear(int fd)
{
    static char text[4096];
    ssize_t n;

    control_socket_turn(s, now);
    n = recv(fd, text, sizeof(text) - 1, 0);
    if (n == 0 || (n < 0 && errno != EAGAIN))
        return NULL;
    text[n > 0 ? n : 0] = '\0';
    return text;
}

static bool serve(const char *member, uint64_t *ret_client)
{
    struct control_request r;

    if (!control_socket_next(s, &r))
        return false;
    assert_non_null(json_object_get(r.object, member));
    json_decref(r.object);
    *ret_client = r.client;
    return true;
}

static void test_mode(void **state)
{
    struct stat st;

    (void)state;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
}

static void test_question_and_answer(void **state)
{
    int fd = dial();
    uint64_t client;

    (void)state;
    say(fd, "{\"comm");
    assert_false(serve("command", &client));
    say(fd, "and\":\"status\"}\n{\"second\":1}\n");
    assert_true(serve("command", &client));
    assert_false(serve("second", &client)); /* one at a time */
    control_socket_answer(s, client, json_pack("{s:b}", "ok", 1), now);
    assert_string_equal(hear(fd), "{\"ok\":true}\n");
    assert_true(serve("second", &client));
    control_socket_answer(s, client, json_pack("{s:b}", "ok", 0), now);
    assert_string_equal(hear(fd), "{\"ok\":false}\n");
    control_socket_answer(s, client, json_pack("{s:b}", "twice", 1), now);
    assert_string_equal(hear(fd), "");
    close(fd);
}

static void test_every_cut(void **state)
{
    static const char line[] = "{\"command\":\"queue\"}\n";
    uint64_t client;

    (void)state;
    for (size_t cut = 1; cut < sizeof(line) - 1; cut++) {
        int fd = dial();
        char first[sizeof(line)] = "";

        memcpy(first, line, cut);
        say(fd, first);
        assert_false(serve("command", &client));
        say(fd, line + cut);
        assert_true(serve("command", &client));
        control_socket_answer(s, client, json_object(), now);
        assert_string_equal(hear(fd), "{}\n");
        close(fd);
        control_socket_turn(s, now);
    }
}

static void test_what_is_no_request(void **state)
{
    static const char *const rows[] = {
        "\n", "[]\n", "1\n", "\"x\"\n", "{\n", "{\"a\":1,\"a\":2}\n", "\xff\xfe\n", "{} {}\n"};
    uint64_t client;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int fd = dial();

        say(fd, rows[i]);
        assert_false(serve("x", &client));
        const char *text = hear(fd);

        assert_non_null(text);
        assert_non_null(strstr(text, "\"ok\":false"));
        say(fd, "{\"x\":1}\n"); /* it may go on */
        assert_true(serve("x", &client));
        close(fd);
        control_socket_turn(s, now);
    }
}

static void test_line_bound(void **state)
{
    static char line[SOCKET_LINE_MAX];
    int fd = dial();
    uint64_t client;

    (void)state;
    memset(line, ' ', sizeof(line));
    for (size_t at = 0; at < sizeof(line);) {
        ssize_t n = send(fd, line, sizeof(line) - at, MSG_NOSIGNAL);

        assert_true(n > 0);
        at += (size_t)n;
        control_socket_turn(s, now);
        assert_false(serve("x", &client));
    }
    assert_non_null(strstr(hear(fd), "at most"));
    assert_null(hear(fd)); /* closed: what follows has no beginning */
    close(fd);
}

static void test_client_bound(void **state)
{
    int fds[SOCKET_CLIENTS], extra;
    uint64_t client;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        fds[i] = dial();
    extra = dial();
    assert_non_null(strstr(hear(extra), "too many clients"));
    assert_null(hear(extra));
    close(extra);
    close(fds[0]);
    control_socket_turn(s, now);
    extra = dial();
    say(extra, "{\"x\":1}\n");
    assert_true(serve("x", &client));
    close(extra);
    for (size_t i = 1; i < ARRAY_LEN(fds); i++)
        close(fds[i]);
}

static void test_slow_clients(void **state)
{
    int idle = dial(), slow, working;
    uint64_t client, worker;
    json_t *large = json_object();
    char *filler = malloc(2000001);

    (void)state;
    assert_non_null(filler);
    memset(filler, 'x', 2000000);
    filler[2000000] = '\0';
    json_object_set_new(large, "x", json_string(filler));
    free(filler);
    assert_int_equal(control_socket_due(s).us, now.us + SOCKET_IDLE_US);
    slow = dial();
    say(slow, "{\"x\":1}\n");
    assert_true(serve("x", &client));
    working = dial();
    say(working, "{\"x\":1}\n");
    assert_true(serve("x", &worker));
    control_socket_answer(s, client, large, now); /* more than the socket takes at once */
    now.us += SOCKET_IDLE_US;
    control_socket_turn(s, now);
    assert_null(hear(idle));
    while (hear(slow) != NULL && hear(slow) != NULL)
        ;                                                 /* a part, then the end */
    control_socket_answer(s, worker, json_object(), now); /* our slowness is not its fault */
    assert_string_equal(hear(working), "{}\n");
    close(idle);
    close(slow);
    close(working);
}

static void test_client_that_left(void **state)
{
    int fd = dial();
    uint64_t client, other;

    (void)state;
    say(fd, "{\"x\":1}\n");
    assert_true(serve("x", &client));
    close(fd);
    control_socket_turn(s, now);
    fd = dial(); /* takes the same place */
    say(fd, "{\"y\":1}\n");
    assert_true(serve("y", &other));
    control_socket_answer(s, client, json_pack("{s:b}", "stale", 1), now);
    assert_string_equal(hear(fd), "");
    control_socket_answer(s, other, json_pack("{s:b}", "ok", 1), now);
    assert_string_equal(hear(fd), "{\"ok\":true}\n");
    control_socket_answer(s, UINT64_MAX, json_object(), now);
    control_socket_answer(s, 0, json_object(), now);
    close(fd);
}

/* `printf … | nc -N`: it closes its sending side at once and waits. */
static void test_half_closed(void **state)
{
    int fd = dial();
    uint64_t client;

    (void)state;
    assert_int_equal(send(fd, "{\"x\":1}\n{\"y\"", 12, 0), 12);
    shutdown(fd, SHUT_WR);
    control_socket_turn(s, now);
    assert_true(serve("x", &client));
    control_socket_turn(s, now);
    control_socket_answer(s, client, json_pack("{s:b}", "ok", 1), now);
    assert_string_equal(hear(fd), "{\"ok\":true}\n");
    assert_false(serve("y", &client));
    assert_null(hear(fd));
    close(fd);
}

static void test_answer_bound(void **state)
{
    int fd = dial();
    uint64_t client;
    char *filler = malloc(SOCKET_ANSWER_MAX + 1);

    (void)state;
    assert_non_null(filler);
    memset(filler, 'x', SOCKET_ANSWER_MAX);
    filler[SOCKET_ANSWER_MAX] = '\0';
    say(fd, "{\"x\":1}\n");
    assert_true(serve("x", &client));
    control_socket_answer(s, client, json_pack("{s:s}", "x", filler), now);
    assert_non_null(strstr(hear(fd), "too large"));
    free(filler);
    close(fd);
}

static void test_opening(void **state)
{
    struct control_socket *second = NULL;
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    char other[64];
    int fd;

    (void)state;
    assert_int_equal(control_socket_open(path, &second), -EADDRINUSE);
    snprintf(other, sizeof(other), "%s/file", dir);
    close(open(other, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    assert_int_equal(control_socket_open(other, &second), -EADDRINUSE);
    assert_int_equal(access(other, F_OK), 0); /* what is no socket is left alone */
    unlink(other);
    /* What a killed control leaves behind is replaced. */
    strcpy(at.sun_path, other);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    close(fd);
    assert_int_equal(control_socket_open(other, &second), 0);
    control_socket_close(second);
    char large[200];

    memset(large, 'x', sizeof(large) - 1);
    large[sizeof(large) - 1] = '\0';
    assert_int_equal(control_socket_open(large, &second), -ENAMETOOLONG);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_mode),         T(test_question_and_answer),
        T(test_every_cut),    T(test_what_is_no_request),
        T(test_line_bound),   T(test_client_bound),
        T(test_slow_clients), T(test_client_that_left),
        T(test_half_closed),  T(test_answer_bound),
        T(test_opening),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
