/* daemon_world.h - sluice-control with everybody around it, for tests: `run` as a thread (it
 * answers OPEN while control waits), dataplane, queue and operator as functions of the test.
 */
#ifndef DAEMON_WORLD_H
#define DAEMON_WORLD_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "control_loop.h"
#include "ipc_link.h"
#include "ipc_stats.h"
#include "policy.h"

#define TURN_US   2000
#define TURNS_MAX 3000

static struct {
    struct control *c;
    char dir[32], config[64];
    uint16_t admin;
    int run, peer[IPC_KINDS];
    pthread_t thread;
    atomic_bool ready, failed, opened;
    atomic_uint reloaded;
    char failure[LINK_BYTES_MAX];
    bool alive;
    int client;
    int log_fd, stderr_fd;
    char log[16384];
} w;

static struct link_message message;

/* ---- run ---- */

static inline void open_answer(const char *text)
{
    json_t *question = json_loads(text, 0, NULL), *answer;
    const char *path = json_string_value(json_object_get(question, "path"));
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *dump;

    answer = fd >= 0 ? json_pack("{s:s}", "path", path)
                     : json_pack("{s:s, s:s}", "path", path, "error", strerror(errno));
    dump = json_dumps(answer, 0);
    link_send(w.run, &(struct link_head){.type = LINK_GIVEN_FD}, dump, &fd, fd >= 0);
    if (fd >= 0)
        close(fd);
    free(dump);
    json_decref(answer);
    json_decref(question);
    w.opened = true;
}

static inline void *run_thread(void *unused)
{
    struct link_message *m = malloc(sizeof(*m));
    const char *why;

    (void)unused;
    while (link_receive(w.run, m, &why) == 1) {
        if (m->head.type == LINK_READY)
            w.ready = true;
        if (m->head.type == LINK_RELOADED)
            w.reloaded++;
        if (m->head.type == LINK_OPEN)
            open_answer(m->text);
        if (m->head.type == LINK_FAILED) {
            strcpy(w.failure, m->text);
            w.failed = true;
        }
    }
    free(m);
    return NULL;
}

/* ---- the world ---- */

static inline void file_write(const char *name, const char *text)
{
    char path[128];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", w.dir, name);
    f = fopen(path, "we");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static inline void config_write(const char *cores, const char *retry, const char *more)
{
    char text[2048];

    snprintf(text, sizeof(text),
             "instance: mx1.example.net\n"
             "dataplane: {cores: %s, ports: [{device: net_null0, addresses: [10.0.0.2/24]}]}\n"
             "virtual_servers: [{name: in, listen: [\"10.0.0.2:25\"], hostname: a.example}]\n"
             "domains: [{name: example.org, type: authoritative, recipients: {file: r.txt}, "
             "route: in}]\n"
             "routes: [{name: in, to: [\"discard:\"]}]\n"
             "bounces: {route: in}\n"
             "queue: {directory: /var/spool/sluice, retry: {first: %s, maximum: 1h}}\n"
             "admin: {listen: \"127.0.0.1:%u\"}\n%s",
             cores, retry, w.admin, more);
    file_write("sluice.yaml", text);
}

static inline uint16_t free_port(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    getsockname(fd, (struct sockaddr *)&at, &bytes);
    close(fd);
    return ntohs(at.sin_port);
}

/* From here to log_release() the log is caught in w.log. */
static inline void log_catch(void)
{
    w.log_fd = memfd_create("log", MFD_CLOEXEC);
    w.stderr_fd = dup(STDERR_FILENO);
    assert_true(w.log_fd >= 0 && w.stderr_fd >= 0);
    assert_int_equal(dup2(w.log_fd, STDERR_FILENO), STDERR_FILENO);
}

static inline void log_release(void)
{
    ssize_t n = pread(w.log_fd, w.log, sizeof(w.log) - 1, 0);

    w.log[n > 0 ? n : 0] = '\0';
    dup2(w.stderr_fd, STDERR_FILENO);
    close(w.stderr_fd);
    close(w.log_fd);
}

static inline void turn(void)
{
    w.alive = w.alive && control_turn(w.c, TURN_US);
}

static inline void control_begin(int epoch)
{
    char text[512];
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    w.run = pair[0];
    w.ready = w.failed = false;
    assert_int_equal(pthread_create(&w.thread, NULL, run_thread, NULL), 0);
    w.c = control_new(pair[1]);
    assert_non_null(w.c);
    w.alive = true;
    snprintf(text, sizeof(text),
             "{\"instance\":\"mx1.example.net\",\"config\":\"%s\",\"runtime\":\"%s\","
             "\"workers\":1,\"admin\":\"\",\"epoch\":%d,\"log\":{\"format\":\"json\"}}",
             w.config, w.dir, epoch);
    link_send(w.run, &(struct link_head){.type = LINK_SETTINGS}, text, NULL, 0);
    for (int i = 0; i < TURNS_MAX && !w.ready && !w.failed; i++) {
        turn();
        if (!w.alive)
            usleep(1000); /* run's thread is still to read why */
    }
}

static inline void control_end(void)
{
    w.c = control_free(w.c); /* closes the link, which ends the thread */
    pthread_join(w.thread, NULL);
    close(w.run);
    if (w.client >= 0)
        close(w.client);
    for (int i = 0; i < IPC_KINDS; i++) {
        if (w.peer[i] >= 0)
            close(w.peer[i]);
        w.peer[i] = -1;
    }
    w.client = -1;
}

static inline int setup(void **state)
{
    (void)state;
    memset(&w, 0, sizeof(w));
    for (int i = 0; i < IPC_KINDS; i++)
        w.peer[i] = -1;
    w.client = -1;
    strcpy(w.dir, "/tmp/sluice-control-XXXXXX");
    assert_non_null(mkdtemp(w.dir));
    snprintf(w.config, sizeof(w.config), "%s/sluice.yaml", w.dir);
    w.admin = free_port();
    file_write("r.txt", "bob\nalice\n");
    config_write("[0]", "5s", "");
    return 0;
}

static inline int teardown(void **state)
{
    char command[64];

    (void)state;
    if (w.c != NULL)
        control_end();
    snprintf(command, sizeof(command), "rm -rf %s", w.dir);
    return system(command) != 0;
}

static inline void introduce(enum ipc_kind kind, uint32_t epoch)
{
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair),
                     0);
    link_send(w.run, &(struct link_head){.type = LINK_LINK, .kind = kind, .epoch = epoch}, NULL,
              &pair[0], 1);
    close(pair[0]);
    if (w.peer[kind] >= 0)
        close(w.peer[kind]);
    w.peer[kind] = pair[1];
}

static inline void gone(enum ipc_kind kind, uint32_t epoch)
{
    close(w.peer[kind]);
    w.peer[kind] = -1;
    link_send(w.run, &(struct link_head){.type = LINK_GONE, .kind = kind, .epoch = epoch}, NULL,
              NULL, 0);
}

/* The next message to a peer, of that type; its descriptors are the caller's. */
static inline bool peer_hears(enum ipc_kind kind, enum link_type type)
{
    const char *why;

    for (int i = 0; i < TURNS_MAX; i++) {
        int rc = link_receive(w.peer[kind], &message, &why);

        if (rc == 1) {
            assert_int_equal(message.head.type, type);
            return true;
        }
        turn();
    }
    return false;
}

static inline void peer_says(enum ipc_kind kind, enum link_type type, uint32_t token,
                             const char *text)
{
    assert_int_equal(
        link_send(w.peer[kind], &(struct link_head){.type = type, .token = token}, text, NULL, 0),
        0);
}

/* A policy came: what is its generation, and is it one? */
static inline uint64_t policy_take(enum ipc_kind kind)
{
    json_t *text;
    struct policy p;
    struct stat st;
    const char *why;
    uint64_t generation;
    void *map;

    assert_true(peer_hears(kind, LINK_POLICY));
    assert_int_equal(message.fd_count, 1);
    assert_int_equal(fstat(message.fds[0], &st), 0);
    map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, message.fds[0], 0);
    assert_ptr_not_equal(map, MAP_FAILED);
    assert_int_equal(policy_open(&p, map, (size_t)st.st_size, &why), 0);
    generation = policy_generation(&p);
    munmap(map, (size_t)st.st_size);
    text = json_loads(message.text, 0, NULL);
    assert_int_equal(json_integer_value(json_object_get(text, "generation")), generation);
    json_decref(text);
    link_close_fds(&message);
    return generation;
}

static inline void policy_set(enum ipc_kind kind, uint64_t generation, const char *error)
{
    char text[256];

    snprintf(text, sizeof(text),
             error == NULL ? "{\"generation\":%llu}" : "{\"generation\":%llu,\"error\":\"%s\"}",
             (unsigned long long)generation, error);
    peer_says(kind, LINK_POLICY_SET, 0, text);
}

static inline void ask(const char *line)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};

    snprintf(at.sun_path, sizeof(at.sun_path), "%s/control.sock", w.dir);
    if (w.client < 0) {
        w.client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        assert_int_equal(connect(w.client, (struct sockaddr *)&at, sizeof(at)), 0);
    }
    assert_int_equal(send(w.client, line, strlen(line), 0), strlen(line));
    assert_int_equal(send(w.client, "\n", 1, 0), 1);
}

static inline json_t *answer(void)
{
    static char text[262144];
    size_t n = 0;

    for (int i = 0; i < TURNS_MAX; i++) {
        ssize_t got = recv(w.client, text + n, sizeof(text) - 1 - n, 0);

        if (got > 0)
            n += (size_t)got;
        if (n > 0 && text[n - 1] == '\n') {
            json_t *object = json_loadb(text, n, 0, NULL);

            assert_non_null(object);
            return object;
        }
        turn();
    }
    fail_msg("no answer");
    return NULL;
}

static inline bool is_ok(json_t *object)
{
    return json_is_true(json_object_get(object, "ok"));
}

static inline const char *string_of(json_t *object, const char *member)
{
    return json_string_value(json_object_get(object, member));
}

#endif
