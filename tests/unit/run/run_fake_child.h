/* run_fake_child.h - a child of `sluice run` that only writes down what it is told.
 *
 * It appends lines to RUNTIME/NAME.told; files RUNTIME/NAME.{fail,die,hang} tell it to say FAILED,
 * to end before it is ready, not to stop.  RUNTIME comes in the environment.
 */
#ifndef RUN_FAKE_CHILD_H
#define RUN_FAKE_CHILD_H

#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "ipc_link.h"
#include "ipc_stats.h"

static struct link_message message;
static const char *self;
static char runtime[256]; /* the environment says where */

static void told(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void told(const char *format, ...)
{
    char path[512], line[1024];
    va_list args;
    int fd, n;

    snprintf(path, sizeof(path), "%s/%s.told", runtime, self);
    va_start(args, format);
    n = vsnprintf(line, sizeof(line) - 1, format, args);
    va_end(args);
    line[n++] = '\n';
    fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0644);
    if (fd < 0 || write(fd, line, (size_t)n) != n)
        abort();
    close(fd);
}

static bool is_asked(const char *what)
{
    char path[512];

    snprintf(path, sizeof(path), "%s/%s.%s", runtime, self, what);
    return access(path, F_OK) == 0;
}

static enum ipc_kind own_kind(void)
{
    for (int k = 0; k < IPC_KINDS; k++) {
        if (strcmp(self, ipc_kind_name((enum ipc_kind)k)) == 0)
            return (enum ipc_kind)k;
    }
    abort();
}

static void say(uint32_t type, const char *text)
{
    struct link_head head = {.type = type, .kind = (uint32_t)own_kind()};

    if (link_send(LINK_FD, &head, text, NULL, 0) != 0)
        exit(9);
}

static void ask_file(const char *name)
{
    char text[600];

    /* RUNTIME is HOME/run. */
    snprintf(text, sizeof(text), "{\"path\":\"%.*s/%s\"}", (int)strlen(runtime) - 4, runtime,
             name);
    if (name[0] == '/')
        snprintf(text, sizeof(text), "{\"path\":\"%s\"}", name);
    say(LINK_OPEN, text);
}

static void on_settings(void)
{
    int strangers = 0;

    for (int fd = LINK_FD + 1; fd < 256; fd++)
        strangers += fcntl(fd, F_GETFD) >= 0;
    told("settings epoch=%u uid=%d groups=%d strangers=%d sid=%d nnp=%d", message.head.epoch,
         (int)geteuid(), getgroups(0, NULL), strangers, getsid(0) == getpid(),
         prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
    if (is_asked("fail")) {
        say(LINK_FAILED, "{\"error\":\"asked to fail\"}");
        exit(1);
    }
    if (is_asked("die"))
        exit(3);
    say(LINK_READY, NULL);
}

static void on_region(void)
{
    struct ipc_region r;
    int rc = message.fd_count == 2 ? ipc_region_map(&r, message.fds[0], IPC_QUEUE,
                                                    message.head.worker, message.head.epoch)
                                   : -1;

    told("region %s worker=%u epoch=%u %s", ipc_kind_name((enum ipc_kind)message.head.kind),
         message.head.worker, message.head.epoch, rc == 0 ? "good" : "bad");
    if (rc == 0)
        ipc_region_unmap(&r);
}

static int peer_socket[IPC_KINDS];

static void on_link(void)
{
    char hello[64];

    told("link %s epoch=%u fds=%d", ipc_kind_name((enum ipc_kind)message.head.kind),
         message.head.epoch, message.fd_count);
    peer_socket[message.head.kind] = message.fds[0];
    message.fd_count = 0;
    snprintf(hello, sizeof(hello), "{\"from\":\"%s\"}", self);
    link_send(peer_socket[message.head.kind],
              &(struct link_head){.type = LINK_ANSWER, .kind = (uint32_t)own_kind()}, hello, NULL,
              0);
}

static void on_given(void)
{
    char text[64] = "";
    ssize_t n = message.fd_count == 1 ? read(message.fds[0], text, 10) : 0;
    json_t *object = json_loads(message.text, 0, NULL);
    const char *error = json_string_value(json_object_get(object, "error"));

    told("given %s %s", n > 0 ? "file" : "nothing", error != NULL ? error : "");
    json_decref(object);
}

static void child_turn(void)
{
    const char *kind = ipc_kind_name((enum ipc_kind)message.head.kind);

    switch (message.head.type) {
    case LINK_SETTINGS:
        on_settings();
        break;
    case LINK_STATS: {
        struct stats_region *s =
            stats_map(message.fds[0], (enum ipc_kind)message.head.kind, false);

        told("stats %s epoch=%u %s", kind, message.head.epoch,
             s != NULL && s->epoch == message.head.epoch ? "good" : "bad");
        stats_unmap(s);
        break;
    }
    case LINK_REGION:
        on_region();
        break;
    case LINK_LINK:
        on_link();
        break;
    case LINK_GONE:
        told("gone %s epoch=%u", kind, message.head.epoch);
        break;
    case LINK_GIVEN_FD:
        on_given();
        break;
    case LINK_ORDER:
        told("order %s", message.text);
        ask_file("sluice.yaml");
        ask_file("recipients.txt");
        ask_file("/etc/shadow");
        break;
    case LINK_STOP:
        told("stop");
        if (is_asked("hang"))
            pause();
        exit(0);
    default:
        break;
    }
    link_close_fds(&message);
}

static void peer_turn(int kind)
{
    const char *why;
    int rc = link_receive(peer_socket[kind], &message, &why);

    if (rc == 1)
        told("peer %s says %s", ipc_kind_name((enum ipc_kind)kind), message.text);
    if (rc == 1 || rc == -EAGAIN)
        return;
    close(peer_socket[kind]);
    peer_socket[kind] = -1;
}

static int be_child(const char *name)
{
    self = name;
    snprintf(runtime, sizeof(runtime), "%s", getenv("SLUICE_TEST_RUNTIME"));
    for (int k = 0; k < IPC_KINDS; k++)
        peer_socket[k] = -1;
    for (;;) {
        struct pollfd fds[1 + IPC_KINDS] = {{.fd = LINK_FD, .events = POLLIN}};
        const char *why;

        for (int k = 0; k < IPC_KINDS; k++)
            fds[1 + k] = (struct pollfd){.fd = peer_socket[k], .events = POLLIN};
        poll(fds, 1 + IPC_KINDS, -1);
        if (fds[0].revents != 0) {
            int rc = link_receive(LINK_FD, &message, &why);

            if (rc == 1)
                child_turn();
            else if (rc != -EAGAIN)
                return 8;
        }
        for (int k = 0; k < IPC_KINDS; k++) {
            if (fds[1 + k].revents != 0)
                peer_turn(k);
        }
    }
}

#endif
