/* Goal: GET /metrics and GET /stats, and nothing else, to a bounded number of clients.  Method: a
 * real listener on loopback, run by the test. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "admin_http.h"
#include "base_types.h"

static int make(void *ctx, enum admin_page page, char **ret_body, size_t *ret_bytes)
{
    bool *broken = ctx;

    if (*broken)
        return -ENOMEM;
    *ret_body = strdup(page == ADMIN_METRICS ? "sluice_up 1\n" : "{}");
    *ret_bytes = strlen(*ret_body);
    return 0;
}

static bool broken;
static const struct admin_source source = {.ctx = &broken, .make = make};

static int dial(const struct admin_http *admin)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons(admin_port(admin)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    return fd;
}

static void ask(struct admin_http *admin, const char *request, char *answer, size_t room)
{
    int fd = dial(admin);
    size_t got = 0;

    assert_int_equal(send(fd, request, strlen(request), 0), strlen(request));
    for (int i = 0; i < 2000; i++) {
        ssize_t n;

        admin_run(admin);
        n = recv(fd, answer + got, room - 1 - got, MSG_DONTWAIT);
        if (n == 0)
            break;
        if (n > 0)
            got += (size_t)n;
        else
            usleep(500);
    }
    answer[got] = '\0';
    close(fd);
    admin_run(admin);
}

static void test_requests(void **state)
{
    static const struct {
        const char *request, *status, *has;
    } rows[] = {
        {"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "200",
         "text/plain; version=0.0.4"                                                                    },
        {"GET /metrics HTTP/1.0\r\n\r\n",                                 "200", "\r\n\r\nsluice_up 1\n"},
        {"GET /metrics?x=y HTTP/1.0\r\n\r\n",                             "200", "sluice_up 1\n"        },
        {"GET /stats HTTP/1.0\r\n\r\n",                                   "200", "application/json"     },
        {"GET / HTTP/1.0\r\n\r\n",                                        "404", ""                     },
        {"GET /metrics/ HTTP/1.0\r\n\r\n",                                "404", ""                     },
        {"GET /../etc/passwd HTTP/1.0\r\n\r\n",                           "404", ""                     },
        {"POST /metrics HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc",        "405", "Allow: GET"           },
        {"DELETE /stats HTTP/1.0\r\n\r\n",                                "405", "Allow: GET"           },
        {"HEAD /metrics HTTP/1.0\r\n\r\n",                                "405", ""                     },
    };
    static const struct ip_addr loopback = {
        .octets = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1}
    };
    struct admin_http *admin;
    char answer[8192];

    (void)state;
    assert_int_equal(admin_open(&loopback, 0, &source, &admin), 0);
    assert_true(admin_fd(admin) >= 0);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        ask(admin, rows[i].request, answer, sizeof(answer));
        if (strncmp(answer, "HTTP/1.", 7) != 0 || strncmp(answer + 9, rows[i].status, 3) != 0 ||
            strstr(answer, rows[i].has) == NULL)
            fail_msg("%.40s -> %s", rows[i].request, answer);
    }
    ask(admin, "garbage\r\n\r\n", answer, sizeof(answer));
    assert_null(strstr(answer, "sluice_up"));
    broken = true;
    ask(admin, "GET /metrics HTTP/1.0\r\n\r\n", answer, sizeof(answer));
    broken = false;
    assert_int_equal(strncmp(answer + 9, "500", 3), 0);
    assert_null(admin_close(admin));
    assert_null(admin_close(NULL));
}

/* Clients that say nothing hold their places only; when they go, others are served. */
static void test_many_silent_clients(void **state)
{
    static const struct ip_addr loopback = {
        .octets = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1}
    };
    int fds[ADMIN_CONNECTIONS];
    struct admin_http *admin;
    char answer[8192];

    (void)state;
    assert_int_equal(admin_open(&loopback, 0, &source, &admin), 0);
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        fds[i] = dial(admin);
        admin_run(admin);
    }
    assert_true(admin_due_us(admin) <= ADMIN_IDLE_S * 1000000u);
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        close(fds[i]);
    admin_run(admin);
    ask(admin, "GET /metrics HTTP/1.0\r\n\r\n", answer, sizeof(answer));
    assert_non_null(strstr(answer, "sluice_up 1"));
    admin_close(admin);
}

static void test_address_in_use(void **state)
{
    static const struct ip_addr loopback = {
        .octets = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1}
    };
    static const struct ip_addr elsewhere = {
        .octets = {0x20, 0x01, 0x0d, 0xb8, [15] = 1}
    };
    struct admin_http *admin, *second = NULL;

    (void)state;
    assert_int_equal(admin_open(&loopback, 0, &source, &admin), 0);
    assert_int_equal(admin_open(&loopback, admin_port(admin), &source, &second), -EADDRINUSE);
    assert_null(second);
    assert_true(admin_open(&elsewhere, 8025, &source, &second) < 0);
    assert_null(second);
    admin_close(admin);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_many_silent_clients),
        cmocka_unit_test(test_address_in_use),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
