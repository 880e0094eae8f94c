/* control_command.c - what an operator asks through the control socket.
 *
 *   {"command":"version"|"status"|"stats"|"reload"|"drain"|"undrain"}
 *   {"command":"queue","order":"list",…}  the rest is the queue's order, its answer comes back
 */
#include <errno.h>
#include <stdlib.h>

#include "control_state.h"
#include "log_line.h"

static struct pending *pending_new(struct control *c, enum pending_what what, uint64_t client,
                                   uint64_t wait_us)
{
    for (size_t i = 0; i < PENDING_MAX; i++) {
        if (c->pending[i].what != PENDING_FREE)
            continue;
        c->pending[i] = (struct pending){
            .what = what,
            .client = client,
            .due = usec_add(c->now, wait_us),
        };
        return &c->pending[i];
    }
    return NULL;
}

static void pending_end(struct control *c, struct pending *p, json_t *take_answer)
{
    control_socket_answer(c->socket, p->client, take_answer, c->now);
    json_decref(p->answer[0]);
    json_decref(p->answer[1]);
    *p = (struct pending){0};
}

/* Sends an order; its token, or 0 and *ret_rc. */
static uint32_t order_send(struct control *c, enum ipc_kind kind, json_t *order, int *ret_rc)
{
    char *text = json_dumps(order, JSON_COMPACT);

    if (++c->last_token == 0)
        ++c->last_token;
    *ret_rc =
        text != NULL ? links_send(&c->links, kind, LINK_ORDER, c->last_token, text, -1) : -ENOMEM;
    free(text);
    return *ret_rc == 0 ? c->last_token : 0;
}

static void order_forward(struct control *c, enum ipc_kind kind, uint64_t client,
                          json_t *take_order)
{
    struct pending *p = pending_new(c, PENDING_ORDER, client, ORDER_US);
    json_t *answer = NULL;
    int rc = 0;

    if (p == NULL) {
        answer = control_error("too many requests");
    } else {
        p->kind = kind;
        p->token[0] = order_send(c, kind, take_order, &rc);
        if (rc == -EPIPE)
            answer = control_error("the %s process is not running now", ipc_kind_name(kind));
        else if (rc == -EMSGSIZE)
            answer = control_error("the order is too long");
        else if (rc != 0)
            answer = control_error("the %s process is busy", ipc_kind_name(kind));
    }
    json_decref(take_order);
    if (answer == NULL)
        return;
    if (p != NULL)
        pending_end(c, p, answer);
    else
        control_socket_answer(c->socket, client, answer, c->now);
}

/* ---- the commands ---- */

static void run_version(struct control *c, uint64_t client, const json_t *request)
{
    (void)request;
    control_socket_answer(c->socket, client,
                          json_pack("{s:b, s:s}", "ok", 1, "version", SLUICE_VERSION), c->now);
}

static void run_stats(struct control *c, uint64_t client, const json_t *request)
{
    json_t *stats = control_stats(c);

    (void)request;
    json_object_set_new(stats, "ok", json_true());
    control_socket_answer(c->socket, client, stats, c->now);
}

static void run_reload(struct control *c, uint64_t client, const json_t *request)
{
    (void)request;
    control_reload(c, client);
}

static void drain_log(const char *event)
{
    struct log_line line;

    log_begin(&line, event);
    log_str(&line, "reason", "ordered through the control socket");
    log_end(&line);
}

/* Also the order of a dataplane that is started again: it must not take what this one refuses. */
static void run_drain(struct control *c, uint64_t client, const json_t *request)
{
    (void)request;
    c->drained = true;
    drain_log("draining");
    order_forward(c, IPC_DATAPLANE, client, json_pack("{s:s}", "order", "drain"));
}

static void run_undrain(struct control *c, uint64_t client, const json_t *request)
{
    (void)request;
    c->drained = false;
    drain_log("undrained");
    order_forward(c, IPC_DATAPLANE, client, json_pack("{s:s}", "order", "undrain"));
}

void control_drain_again(struct control *c)
{
    static const char order[] = "{\"order\":\"drain\"}";

    if (c->drained)
        links_send(&c->links, IPC_DATAPLANE, LINK_ORDER, 0, order, -1);
}

static void run_queue(struct control *c, uint64_t client, const json_t *request)
{
    json_t *order = json_copy((json_t *)(uintptr_t)request);

    json_object_del(order, "command");
    if (!json_is_string(json_object_get(order, "order"))) {
        json_decref(order);
        control_socket_answer(c->socket, client,
                              control_error("queue needs \"order\": count, list, …"), c->now);
        return;
    }
    order_forward(c, IPC_QUEUE, client, order);
}

static json_t *member_or_null(json_t *answer, const char *member)
{
    json_t *value = json_object_get(answer, member);

    return value != NULL ? json_incref(value) : json_null();
}

/* One of the figures that were gathered last. */
static uint64_t figure(const struct control *c, const char *name)
{
    for (uint32_t i = 0; i < c->metrics.rows_count; i++)
        if (strcmp(c->metrics.rows[i].name, name) == 0)
            return c->metrics.rows[i].value;
    return 0;
}

static const char *intake_of(struct control *c, const struct pending *p)
{
    if (c->links.peers[IPC_DATAPLANE].fd < 0)
        return "down";
    if (json_is_true(json_object_get(p->answer[0], "draining")))
        return "draining";
    if (c->links.peers[IPC_QUEUE].fd < 0)
        return "deferring: the queue process is not running";
    if (figure(c, "sluice_queue_shut") != 0)
        return "deferring: the queue takes no more (disk or limit)";
    return p->answer[0] != NULL && p->answer[1] != NULL ? "open" : "unknown";
}

static json_t *policy_status(const struct control *c)
{
    const struct compile_result *image = &c->current.image;

    if (image->fd < 0)
        return json_null();
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "generation",
                     (json_int_t)image->generation, "bytes", (json_int_t)image->bytes, "rules",
                     (json_int_t)image->rules, "domains", (json_int_t)image->domains, "recipients",
                     (json_int_t)image->recipients, "dataplane_generation",
                     (json_int_t)c->peer_generation[IPC_DATAPLANE], "queue_generation",
                     (json_int_t)c->peer_generation[IPC_QUEUE]);
}

static void status_end(struct control *c, struct pending *p)
{
    control_gather(c);

    json_t *status = json_pack(
        "{s:b, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:I, s:s, s:s}", "ok", 1, "instance", c->instance,
        "version", SLUICE_VERSION, "processes", control_processes(c), "policy", policy_status(c),
        "sessions", member_or_null(p->answer[0], "sessions"), "draining",
        member_or_null(p->answer[0], "draining"), "queue", member_or_null(p->answer[1], "count"),
        "queue_waiting", (json_int_t)figure(c, "sluice_queue_messages_waiting"), "intake",
        intake_of(c, p), "last_reload_error", c->load_error);

    /* So a control that was started again learns it, too. */
    if (p->answer[0] != NULL)
        c->drained = json_is_true(json_object_get(p->answer[0], "draining"));
    if (json_is_array(json_object_get(p->answer[0], "workers")))
        json_object_set(status, "workers", json_object_get(p->answer[0], "workers"));
    if (status == NULL)
        status = control_error("the status cannot be put in words");
    pending_end(c, p, status);
}

static void run_status(struct control *c, uint64_t client, const json_t *request)
{
    struct pending *p = pending_new(c, PENDING_STATUS, client, STATUS_US);
    json_t *status = json_pack("{s:s}", "order", "status");
    json_t *count = json_pack("{s:s}", "order", "count");
    int rc;

    (void)request;
    if (p == NULL) {
        control_socket_answer(c->socket, client, control_error("too many requests"), c->now);
    } else {
        p->token[0] = order_send(c, IPC_DATAPLANE, status, &rc);
        p->token[1] = order_send(c, IPC_QUEUE, count, &rc);
        if (p->token[0] == 0 && p->token[1] == 0)
            status_end(c, p);
    }
    json_decref(status);
    json_decref(count);
}

static const struct {
    const char *name;
    void (*run)(struct control *c, uint64_t client, const json_t *request);
} commands[] = {
    {"version", run_version},
    {"status",  run_status },
    {"stats",   run_stats  },
    {"reload",  run_reload },
    {"queue",   run_queue  },
    {"drain",   run_drain  },
    {"undrain", run_undrain},
};

void control_request(struct control *c, const struct control_request *request)
{
    const char *name = json_string_value(json_object_get(request->object, "command"));

    for (size_t i = 0; name != NULL && i < ARRAY_LEN(commands); i++) {
        if (strcmp(name, commands[i].name) == 0) {
            commands[i].run(c, request->client, request->object);
            return;
        }
    }
    control_socket_answer(c->socket, request->client,
                          name == NULL ? control_error("a request needs \"command\"")
                                       : control_error("there is no command %.64s", name),
                          c->now);
}

/* ---- answers ---- */

void control_answer(struct control *c, enum ipc_kind kind, uint32_t token, const char *text)
{
    for (size_t i = 0; i < PENDING_MAX && token != 0; i++) {
        struct pending *p = &c->pending[i];
        int which = p->token[0] == token ? 0 : 1;
        json_t *answer;

        if (p->what == PENDING_FREE || p->token[which] != token)
            continue;
        p->token[which] = 0;
        answer = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
        if (!json_is_object(answer)) {
            json_decref(answer);
            answer = control_error("the %s process answered what is no JSON object",
                                   ipc_kind_name(kind));
        }
        if (p->what == PENDING_ORDER) {
            pending_end(c, p, answer);
            return;
        }
        p->answer[which] = answer;
        if (p->token[0] == 0 && p->token[1] == 0)
            status_end(c, p);
        return;
    }
}

void control_pending_settle(struct control *c)
{
    for (size_t i = 0; i < PENDING_MAX; i++) {
        struct pending *p = &c->pending[i];
        bool late = usec_reached(p->due, c->now);

        if (p->what == PENDING_ORDER && c->links.peers[p->kind].fd < 0)
            pending_end(c, p,
                        control_error("the %s process went away; the order may have been done",
                                      ipc_kind_name(p->kind)));
        else if (p->what == PENDING_ORDER && late)
            pending_end(c, p,
                        control_error("the %s process did not answer", ipc_kind_name(p->kind)));
        else if (p->what == PENDING_STATUS && late)
            status_end(c, p);
    }
}

struct usec control_pending_due(const struct control *c)
{
    struct usec due = {.us = UINT64_MAX};

    for (size_t i = 0; i < PENDING_MAX; i++)
        if (c->pending[i].what != PENDING_FREE && c->pending[i].due.us < due.us)
            due = c->pending[i].due;
    return due;
}
