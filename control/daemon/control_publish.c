/* control_publish.c - an image's way from the configuration to those who use it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>

#include "base_text.h"
#include "conf_settings.h"
#include "control_state.h"
#include "log_line.h"

static uint64_t generation_next(struct control *c)
{
    struct timespec t;
    uint64_t wall;

    clock_gettime(CLOCK_REALTIME, &t);
    wall = (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
    if (wall <= c->last_generation)
        wall = c->last_generation + 1;
    c->last_generation = wall;
    return wall;
}

int control_load(struct control *c, struct loaded *ret, struct conf_error *error)
{
    const struct conf_opener opener = links_opener(&c->links);
    int rc = loaded_make(ret, c->config, &opener, generation_next(c), error);

    if (rc != 0 && error->count == 0)
        conf_error_add(error, &(struct conf_where){.file = c->config}, "%s: %s", c->config,
                       strerror(-rc));
    snprintf(c->load_error, sizeof(c->load_error), "%s", rc != 0 ? error->line[0] : "");
    return rc;
}

/* ---- to the peers ---- */

static int image_send(struct control *c, enum ipc_kind kind, const struct loaded *loaded)
{
    char text[64];

    snprintf(text, sizeof(text), "{\"generation\":%llu}",
             (unsigned long long)loaded->image.generation);
    return links_send(&c->links, kind, LINK_POLICY, 0, text, loaded->image.fd);
}

static int settings_send(struct control *c)
{
    char *text = conf_settings_queue_order(c->current.conf);
    int rc = text != NULL ? links_send(&c->links, IPC_QUEUE, LINK_ORDER, 0, text, -1) : -ENOMEM;

    free(text);
    return rc;
}

void control_publish(struct control *c)
{
    static const enum ipc_kind to[] = {IPC_DATAPLANE, IPC_QUEUE};

    for (size_t i = 0; i < ARRAY_LEN(to); i++) {
        enum ipc_kind kind = to[i];
        int rc;

        if (!c->publish[kind] || c->current.image.fd < 0)
            continue;
        rc = kind == IPC_QUEUE ? settings_send(c) : 0;
        if (rc == 0)
            rc = image_send(c, kind, &c->current);
        /* Busy: again soon.  Gone: its successor is introduced by a LINK and gets it then. */
        c->publish[kind] = rc == -EAGAIN || rc == -ENOMEM;
    }
}

void control_adopt(struct control *c, struct loaded *take_loaded, bool dataplane_too)
{
    struct log_line line;

    loaded_done(&c->current);
    c->current = *take_loaded;
    *take_loaded = (struct loaded)LOADED_NONE;
    log_begin(&line, "policy");
    log_u64(&line, "generation", c->current.image.generation);
    log_u64(&line, "bytes", c->current.image.bytes);
    log_u64(&line, "rules", c->current.image.rules);
    log_u64(&line, "domains", c->current.image.domains);
    log_u64(&line, "recipients", c->current.image.recipients);
    log_end(&line);
    c->publish[IPC_DATAPLANE] = dataplane_too;
    c->publish[IPC_QUEUE] = true;
    control_publish(c);
}

/* ---- reload ---- */

void control_baseline_find(struct control *c, const struct conf *conf)
{
    int rc = 0;

    if (c->baseline == NULL && c->epoch > 1)
        c->baseline = baseline_load(c->runtime);
    if (c->baseline != NULL)
        return;
    c->baseline = baseline_make(conf);
    if (c->baseline != NULL)
        rc = baseline_save(c->runtime, c->baseline);
    if (rc != 0)
        log_error("baseline", strerror(-rc));
}

/* A reload by SIGHUP is answered nowhere else, and one by an operator may be asked about later. */
static void reload_log(const struct control *c, const json_t *restart)
{
    char keys[512] = "";
    struct log_line line;
    size_t at = 0;

    for (size_t i = 0; i < json_array_size(restart) && at < sizeof(keys); i++)
        at += (size_t)snprintf(keys + at, sizeof(keys) - at, "%s%s", i > 0 ? ", " : "",
                               json_string_value(json_array_get(restart, i)));
    log_begin(&line, "reloaded");
    log_u64(&line, "generation", c->current.image.generation);
    log_str(&line, "needs_restart", keys[0] != '\0' ? keys : NULL);
    log_end(&line);
}

static void reload_answer(struct control *c, const char *error)
{
    json_t *restart = baseline_changes(c->baseline, c->current.conf);
    json_t *answer;

    if (error != NULL)
        log_error("reload-failed", error);
    else
        reload_log(c, restart);
    if (error != NULL)
        answer = control_error("%s", error);
    else
        answer = json_pack("{s:b, s:I, s:O, s:b}", "ok", 1, "generation",
                           (json_int_t)c->current.image.generation, "restart", restart, "dataplane",
                           c->links.peers[IPC_DATAPLANE].fd >= 0);
    json_decref(restart);
    control_socket_answer(c->socket, c->candidate_client, answer, c->now);
    c->candidate_client = CLIENT_NOBODY;
}

static void candidate_drop(struct control *c, const char *error)
{
    loaded_done(&c->candidate);
    snprintf(c->load_error, sizeof(c->load_error), "the dataplane refuses it: %s", error);
    log_error("reload-failed", c->load_error);
    control_socket_answer(c->socket, c->candidate_client, control_error("%s", c->load_error),
                          c->now);
    c->candidate_client = CLIENT_NOBODY;
    if (c->current.conf != NULL)
        control_admin_bind(c, c->current.conf);
}

/* The candidate becomes the configuration: the dataplane has it, or there is none now. */
static void candidate_adopt(struct control *c, const char *error)
{
    bool has = c->peer_generation[IPC_DATAPLANE] == c->candidate.image.generation;

    control_adopt(c, &c->candidate, !has);
    reload_answer(c, error);
}

void control_reload(struct control *c, uint64_t client)
{
    struct conf_error *error = calloc(1, sizeof(*error));
    int rc = error == NULL ? -ENOMEM : 0;

    if (c->candidate.image.fd >= 0 || rc != 0) {
        free(error);
        control_socket_answer(
            c->socket, client,
            control_error("%s", rc != 0 ? "out of memory" : "another reload is going on"), c->now);
        return;
    }
    /* run reads the files' names first; the link keeps the order. */
    links_send(&c->links, IPC_RUN, LINK_RELOADED, 0, NULL, -1);
    rc = control_load(c, &c->candidate, error);
    if (rc == 0 && (rc = control_admin_bind(c, c->candidate.conf)) != 0) {
        conf_error_add(error, &c->candidate.conf->admin_listen.where,
                       "cannot listen on %s: %s; nothing was changed",
                       c->candidate.conf->admin_listen.text, strerror(-rc));
        snprintf(c->load_error, sizeof(c->load_error), "%s", error->line[0]);
        loaded_done(&c->candidate);
    }
    if (rc != 0) {
        for (uint32_t i = 0; i < error->count; i++)
            log_error("reload-failed", error->line[i]);
        control_socket_answer(c->socket, client,
                              json_pack("{s:b, s:o, s:o}", "ok", 0, "error", error_text(error),
                                        "errors", error_lines(error)),
                              c->now);
    } else {
        control_baseline_find(c, c->candidate.conf);
        c->candidate_client = client;
        c->candidate_due = usec_add(c->now, POLICY_US);
        if (image_send(c, IPC_DATAPLANE, &c->candidate) != 0)
            candidate_adopt(c, NULL);
    }
    free(error);
}

/* {"generation":g}, with "error" where it was refused; a refusal may leave the generation out
 * and is then of the candidate, if there is one. */
void control_policy_set(struct control *c, enum ipc_kind kind, const char *text)
{
    json_t *object = json_loads(text, 0, NULL);
    json_int_t generation = (json_int_t)c->candidate.image.generation;
    const char *error = NULL;
    struct log_line line;
    bool is_candidate;

    if (object == NULL ||
        json_unpack(object, "{s?I, s?s}", "generation", &generation, "error", &error) != 0 ||
        (error == NULL && json_object_get(object, "generation") == NULL)) {
        json_decref(object);
        return;
    }
    is_candidate = kind == IPC_DATAPLANE && c->candidate.image.fd >= 0 &&
                   (uint64_t)generation == c->candidate.image.generation;
    if (error == NULL) {
        c->peer_generation[kind] = (uint64_t)generation;
        if (is_candidate)
            candidate_adopt(c, NULL);
    } else if (is_candidate) {
        candidate_drop(c, error);
    } else {
        log_begin(&line, "policy-refused");
        log_str(&line, "by", ipc_kind_name(kind));
        log_str(&line, "error", error);
        log_end(&line);
    }
    json_decref(object);
}

void control_candidate_settle(struct control *c)
{
    if (c->candidate.image.fd < 0)
        return;
    if (c->links.peers[IPC_DATAPLANE].fd < 0)
        candidate_adopt(c, NULL);
    else if (usec_reached(c->candidate_due, c->now))
        /* It may have taken it: going back would be one more change that nobody confirms. */
        candidate_adopt(c, "the dataplane did not confirm the new policy in time; it will have "
                           "it as soon as it answers again");
}

/* ---- the admin address ---- */

int control_admin_bind(struct control *c, const struct conf *conf)
{
    struct admin_http *admin = NULL;
    struct epoll_event ev = {.events = EPOLLIN, .data.u32 = TAG_ADMIN};
    int rc;

    if (c->admin != NULL && c->admin_port == conf->admin_port &&
        ip_equal(&c->admin_ip, &conf->admin_ip))
        return 0;
    if (conf->admin_port != 0) {
        rc = admin_open(&conf->admin_ip, conf->admin_port, &c->admin_source, &admin);
        if (rc != 0)
            return rc;
        epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, admin_fd(admin), &ev);
    }
    admin_close(c->admin);
    c->admin = admin;
    c->admin_ip = conf->admin_ip;
    c->admin_port = conf->admin_port;
    c->admin_due = (struct usec){.us = UINT64_MAX};
    return 0;
}
