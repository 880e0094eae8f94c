/* control_loop.c - see control_loop.h */
#include "control_loop.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "control_state.h"
#include "log_line.h"

#define EVENTS_MAX 16
#define LINK_TURN  64 /* messages of one link in one turn */

static struct usec clock_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (struct usec){.us = (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000};
}

static void watch(struct control *c, int fd, uint32_t tag)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.u32 = tag};

    if (epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, fd, &ev) != 0)
        log_error("epoll", strerror(errno));
}

struct control *control_new(int take_link_fd)
{
    struct control *c = calloc(1, sizeof(*c));

    if (c == NULL) {
        log_error("start", "out of memory");
        close(take_link_fd);
        return NULL;
    }
    links_init(&c->links, take_link_fd);
    c->current = c->candidate = (struct loaded)LOADED_NONE;
    c->admin_due = (struct usec){.us = UINT64_MAX};
    c->admin_source = (struct admin_source){.ctx = c, .make = control_page};
    c->now = clock_now();
    c->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (c->epoll_fd < 0) {
        log_error("start", strerror(errno));
        return control_free(c);
    }
    watch(c, take_link_fd, IPC_RUN);
    return c;
}

int control_status(const struct control *c)
{
    return c->status;
}

/* ---- start ---- */

static void fail(struct control *c, json_t *take_error)
{
    json_t *text = json_pack("{s:o}", "error", take_error);
    char *dump = text != NULL ? json_dumps(text, JSON_COMPACT) : NULL;

    log_error("start", json_string_value(json_object_get(text, "error")));
    links_send(&c->links, IPC_RUN, LINK_FAILED, 0, dump, -1);
    free(dump);
    json_decref(text);
    c->status = 1;
    c->over = true;
}

/* False: they cannot be used. */
static bool settings_read(struct control *c, const char *text)
{
    const char *instance, *config, *runtime, *format_text = "json";
    enum log_format format = LOG_JSON;
    int epoch = 0;
    json_t *settings = json_loads(text, 0, NULL);
    bool ok = settings != NULL &&
              json_unpack(settings, "{s:s, s:s, s:s, s:i, s?{s?s}}", "instance", &instance,
                          "config", &config, "runtime", &runtime, "epoch", &epoch, "log", "format",
                          &format_text) == 0 &&
              log_format_parse(format_text, &format) == 0 &&
              strlen(instance) < sizeof(c->instance) && strlen(config) < sizeof(c->config) &&
              strlen(runtime) < sizeof(c->runtime) && epoch > 0;

    if (ok) {
        snprintf(c->instance, sizeof(c->instance), "%s", instance);
        snprintf(c->config, sizeof(c->config), "%s", config);
        snprintf(c->runtime, sizeof(c->runtime), "%s", runtime);
        c->epoch = (uint32_t)epoch;
        log_setup(c->instance, IPC_CONTROL, format);
    }
    json_decref(settings);
    return ok;
}

static bool socket_start(struct control *c)
{
    char path[sizeof(c->runtime) + 16];
    int rc;

    snprintf(path, sizeof(path), "%s/control.sock", c->runtime);
    rc = control_socket_open(path, &c->socket);
    if (rc != 0) {
        char text[sizeof(path) + 128];

        snprintf(text, sizeof(text), "cannot listen on %s: %s", path, strerror(-rc));
        fail(c, json_string(text));
        return false;
    }
    watch(c, control_socket_fd(c->socket), TAG_SOCKET);
    return true;
}

/* Reads, compiles, binds.  At the very first start all of it must work. */
static void start(struct control *c)
{
    struct conf_error *error = calloc(1, sizeof(*error));
    struct loaded loaded = LOADED_NONE;
    bool first = c->epoch == 1;
    int rc;

    if (error == NULL) {
        fail(c, json_string("out of memory"));
        return;
    }
    rc = control_load(c, &loaded, error);
    if (rc != 0 && first) {
        fail(c, error_text(error));
    } else if (rc != 0) {
        log_error("configuration", c->load_error);
    } else if ((rc = control_admin_bind(c, loaded.conf)) != 0) {
        snprintf(error->line[0], sizeof(error->line[0]), "cannot listen on admin.listen %s: %s",
                 loaded.conf->admin_listen.text, strerror(-rc));
        if (first)
            fail(c, json_string(error->line[0]));
        else
            log_error("admin", error->line[0]);
        c->admin_due = usec_add(c->now, ADMIN_RETRY_US);
    }
    free(error);
    if (loaded.conf != NULL)
        control_baseline_find(c, loaded.conf);
    if (!c->over && socket_start(c)) {
        if (loaded.conf != NULL)
            control_adopt(c, &loaded, true);
        c->started = true;
        links_send(&c->links, IPC_RUN, LINK_READY, 0, NULL, -1);
    }
    loaded_done(&loaded);
}

/* ---- messages ---- */

/* run orders one thing only: a reload, when it got SIGHUP. */
static void run_order(struct control *c, const char *text)
{
    json_t *order = json_loads(text, 0, NULL);
    const char *name = json_string_value(json_object_get(order, "order"));

    if (name != NULL && strcmp(name, "reload") == 0)
        c->reload_wanted = true;
    json_decref(order);
}

static void run_message(struct control *c)
{
    struct link_message *m = &c->message;
    enum ipc_kind changed;

    if (m->head.type == LINK_SETTINGS && !c->started) {
        if (settings_read(c, m->text))
            start(c);
        else
            fail(c, json_string("the settings from run cannot be used: are all programs of one "
                                "build?"));
    } else if (m->head.type == LINK_STOP) {
        c->over = true;
    } else if (m->head.type == LINK_ORDER) {
        run_order(c, m->text);
    }
    changed = links_take(&c->links, m);
    if (changed == IPC_RUN)
        return;
    c->peer_generation[changed] = 0;
    if (c->links.peers[changed].fd >= 0) {
        watch(c, c->links.peers[changed].fd, changed);
        c->publish[changed] = changed == IPC_DATAPLANE || changed == IPC_QUEUE;
        if (changed == IPC_DATAPLANE)
            control_drain_again(c);
    }
}

static void run_input(struct control *c)
{
    for (int i = 0; i < LINK_TURN && !c->over; i++) {
        const char *why = "";
        int rc = links_receive(&c->links, &c->message, &why);

        if (rc == -EAGAIN)
            return;
        if (rc == 1)
            run_message(c);
        else if (rc == -EPROTO)
            fail(c, json_string(why));
        else
            c->over = true; /* run is gone */
    }
}

static void peer_input(struct control *c, enum ipc_kind kind)
{
    for (int i = 0; i < LINK_TURN && c->links.peers[kind].fd >= 0; i++) {
        struct link_message *m = &c->message;
        const char *why = "closed";
        int rc = link_receive(c->links.peers[kind].fd, m, &why);

        if (rc == -EAGAIN)
            return;
        if (rc != 1) {
            if (rc != 0)
                log_error(ipc_kind_name(kind), rc == -EPROTO ? why : strerror(-rc));
            links_drop(&c->links, kind);
            return;
        }
        if (m->head.type == LINK_POLICY_SET)
            control_policy_set(c, kind, m->text);
        else if (m->head.type == LINK_ANSWER)
            control_answer(c, kind, m->head.token, m->text);
        link_close_fds(m);
    }
}

/* ---- the turn ---- */

static void requests_take(struct control *c)
{
    struct control_request request;

    control_socket_turn(c->socket, c->now);
    while (control_socket_next(c->socket, &request)) {
        control_request(c, &request);
        json_decref(request.object);
    }
}

static void timers_run(struct control *c)
{
    int rc;

    control_candidate_settle(c);
    if (c->reload_wanted && c->candidate.image.fd < 0) {
        c->reload_wanted = false;
        control_reload(c, CLIENT_NOBODY);
    }
    control_pending_settle(c);
    control_publish(c);
    if (usec_reached(c->admin_due, c->now) && c->current.conf != NULL) {
        rc = control_admin_bind(c, c->current.conf);
        if (rc != 0)
            c->admin_due = usec_add(c->now, ADMIN_RETRY_US);
    }
    if (c->admin != NULL)
        admin_run(c->admin);
    requests_take(c);
}

static void due_take(uint64_t *due, uint64_t at)
{
    if (at < *due)
        *due = at;
}

static int wait_ms(const struct control *c, uint64_t wait_us)
{
    uint64_t due = c->now.us + wait_us;

    if (links_kept(&c->links))
        return 0;
    if (c->started) {
        due_take(&due, control_socket_due(c->socket).us);
        due_take(&due, control_pending_due(c).us);
        due_take(&due, c->admin_due.us);
        if (c->candidate.image.fd >= 0)
            due_take(&due, c->candidate_due.us);
        if (c->publish[IPC_DATAPLANE] || c->publish[IPC_QUEUE])
            due_take(&due, c->now.us + PUBLISH_RETRY_US);
        if (c->admin != NULL && admin_due_us(c->admin) < wait_us)
            due_take(&due, c->now.us + admin_due_us(c->admin));
    }
    due = usec_since(c->now, (struct usec){.us = due});
    return (int)((due + 999) / 1000);
}

bool control_turn(struct control *c, uint64_t wait_us)
{
    struct epoll_event events[EVENTS_MAX];
    int n;

    if (c->over)
        return false;
    c->now = clock_now();
    n = epoll_wait(c->epoll_fd, events, EVENTS_MAX, wait_ms(c, wait_us));
    c->now = clock_now();
    if (links_kept(&c->links))
        run_input(c);
    for (int i = 0; i < n && !c->over; i++) {
        uint32_t tag = events[i].data.u32;

        if (tag == IPC_RUN)
            run_input(c);
        else if (tag < IPC_KINDS)
            peer_input(c, (enum ipc_kind)tag);
    }
    if (c->started && !c->over)
        timers_run(c);
    return !c->over;
}

struct control *control_free(struct control *c)
{
    if (c == NULL)
        return NULL;
    for (size_t i = 0; i < PENDING_MAX; i++) {
        json_decref(c->pending[i].answer[0]);
        json_decref(c->pending[i].answer[1]);
    }
    admin_close(c->admin);
    control_socket_close(c->socket);
    loaded_done(&c->current);
    loaded_done(&c->candidate);
    json_decref(c->baseline);
    links_done(&c->links);
    if (c->epoll_fd >= 0)
        close(c->epoll_fd);
    free(c);
    return NULL;
}
