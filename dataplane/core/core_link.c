/* core_link.c - messages of the main lcore. */
#include "core_link.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "core_policy.h"
#include "log_line.h"

#define SETTINGS_WAIT_MS 10000
#define MESSAGES_A_ROUND 64

void core_link_init(struct core_link *link, struct core *core, int run)
{
    memset(link, 0, sizeof(*link));
    link->core = core;
    link->run = run;
    link->control = -1;
    fcntl(run, F_SETFL, fcntl(run, F_GETFL) | O_NONBLOCK);
}

static int take_fd(struct link_message *m, int i)
{
    int fd = m->fds[i];

    m->fds[i] = -1;
    return fd;
}

/* ---- from run ---- */

static void settings_in(struct core_link *link, const struct link_message *m)
{
    const char *why;

    if (core_settings_parse(m->text, &link->core->settings, &why) != 0) {
        core_link_failed(link, why);
        exit(1);
    }
    link->have_settings = true;
}

static void stats_in(struct core_link *link, const struct link_message *m)
{
    if (m->fd_count >= 1 && link->core->stats == NULL)
        link->core->stats = stats_map(m->fds[0], IPC_DATAPLANE, true);
}

static void drop_box(struct spool_handover *box)
{
    if (box->region.map != NULL)
        ipc_region_unmap(&box->region);
    if (box->kick_fd >= 0)
        close(box->kick_fd);
    box->kick_fd = -1;
}

static void region_in(struct core_link *link, struct link_message *m)
{
    struct pending_region *p;
    int rc;

    if (m->head.kind != IPC_QUEUE || m->head.worker >= CORE_WORKERS_MAX || m->fd_count < 2)
        return;
    p = &link->pending[m->head.worker];
    if (p->waits)
        drop_box(&p->box);
    p->waits = false;
    rc = ipc_region_map(&p->box.region, m->fds[0], IPC_QUEUE, m->head.worker, m->head.epoch);
    if (rc != 0) {
        log_error("region", "the queue's memory region is not of this version: refused");
        return;
    }
    p->box.kick_fd = take_fd(m, 1);
    fcntl(p->box.kick_fd, F_SETFL, O_NONBLOCK);
    p->waits = true;
}

static void gone_in(struct core_link *link, const struct link_message *m)
{
    struct core *core = link->core;

    if (m->head.kind == IPC_QUEUE) {
        for (unsigned i = 0; i < core->workers_count; i++)
            atomic_store_explicit(&core->workers[i]->queue_gone, m->head.epoch,
                                  memory_order_release);
    } else if (m->head.kind == IPC_CONTROL && link->control >= 0) {
        close(link->control);
        link->control = -1;
    }
}

static void peer_in(struct core_link *link, struct link_message *m)
{
    if (m->head.kind != IPC_CONTROL || m->fd_count < 1)
        return;
    if (link->control >= 0)
        close(link->control);
    link->control = take_fd(m, 0);
    fcntl(link->control, F_SETFL, fcntl(link->control, F_GETFL) | O_NONBLOCK);
}

static void run_in(struct core_link *link, struct link_message *m)
{
    switch (m->head.type) {
    case LINK_SETTINGS:
        if (!link->have_settings)
            settings_in(link, m);
        break;
    case LINK_STATS:
        stats_in(link, m);
        break;
    case LINK_REGION:
        region_in(link, m);
        break;
    case LINK_LINK:
        peer_in(link, m);
        break;
    case LINK_GONE:
        gone_in(link, m);
        break;
    case LINK_STOP:
        link->stop = true;
        break;
    default:
        break;
    }
}

/* ---- from control ---- */

static void answer(struct core_link *link, uint32_t type, uint32_t token, json_t *object)
{
    struct link_head head = {.abi = IPC_ABI, .type = type, .kind = IPC_DATAPLANE, .token = token};
    char *text = json_dumps(object, JSON_COMPACT);

    if (text != NULL)
        link_send(link->control, &head, text, NULL, 0);
    free(text);
    json_decref(object);
}

static void policy_in(struct core_link *link, const struct link_message *m)
{
    const char *why = "no image came with the message";
    json_t *offer = json_loads(m->text, 0, NULL);
    uint64_t generation = (uint64_t)json_integer_value(json_object_get(offer, "generation"));
    int rc =
        m->fd_count >= 1 ? core_policy_install(link->core, m->fds[0], &generation, &why) : -EBADMSG;
    struct log_line line;
    json_t *set;

    log_begin(&line, "policy");
    log_u64(&line, "generation", generation);
    set = json_pack("{s:I}", "generation", (json_int_t)generation);
    if (rc != 0) {
        log_str(&line, "error", why);
        json_object_set_new(set, "error", json_string(why));
    }
    log_end(&line);
    answer(link, LINK_POLICY_SET, m->head.token, set);
    json_decref(offer);
}

static json_t *describe(const struct core *core)
{
    json_t *workers = json_array();
    uint64_t sessions = 0;

    for (unsigned i = 0; i < core->workers_count; i++) {
        const struct worker *w = core->workers[i];
        uint64_t n = count_get(&w->counters[CORE_OPEN_SESSIONS]);

        sessions += n;
        json_array_append_new(
            workers, json_pack("{s:i,s:i,s:I,s:I,s:I}", "worker", (int)i, "cpu",
                               (int)core->settings.cores[i], "sessions", (json_int_t)n,
                               "connections", (json_int_t)count_get(&w->counters[CORE_CONNECTIONS]),
                               "carried", (json_int_t)count_get(&w->counters[CORE_SESSIONS])));
    }
    return json_pack("{s:b,s:I,s:b,s:b,s:o}", "ok", 1, "sessions", (json_int_t)sessions, "draining",
                     (int)atomic_load(&core->draining), "hugepages", (int)core->huge, "workers",
                     workers);
}

static void order_in(struct core_link *link, const struct link_message *m)
{
    json_t *root = json_loads(m->text, 0, NULL);
    const char *order = json_string_value(json_object_get(root, "order"));
    bool known = true;

    if (order != NULL && strcmp(order, "drain") == 0)
        atomic_store(&link->core->draining, true);
    else if (order != NULL && strcmp(order, "undrain") == 0)
        atomic_store(&link->core->draining, false);
    else
        known = order != NULL && strcmp(order, "status") == 0;
    answer(link, LINK_ANSWER, m->head.token,
           known ? describe(link->core)
                 : json_pack("{s:b,s:s}", "ok", 0, "error", "the data plane knows no such order"));
    json_decref(root);
}

static void control_in(struct core_link *link, const struct link_message *m)
{
    if (m->head.type == LINK_POLICY)
        policy_in(link, m);
    else if (m->head.type == LINK_ORDER)
        order_in(link, m);
}

/* ---- both ---- */

static void read_socket(struct core_link *link, int *fd, bool is_run)
{
    for (int i = 0; i < MESSAGES_A_ROUND && *fd >= 0; i++) {
        const char *why = NULL;
        int rc = link_receive(*fd, &link->message, &why);

        if (rc == -EAGAIN)
            return;
        if (rc == -EPROTO) {
            log_error("link", why);
            continue;
        }
        if (rc <= 0) {
            if (is_run)
                link->stop = true; /* without a supervisor we end, in order */
            close(*fd);
            *fd = -1;
            return;
        }
        if (is_run)
            run_in(link, &link->message);
        else
            control_in(link, &link->message);
        link_close_fds(&link->message);
    }
}

/* A region goes to its worker when the one before has come home. */
static void hand_over(struct core_link *link)
{
    for (unsigned i = 0; i < link->core->workers_count; i++) {
        struct worker *w = link->core->workers[i];
        struct spool_handover *old, *box;

        if (w == NULL)
            continue;
        old = atomic_exchange_explicit(&w->region_old, NULL, memory_order_acquire);
        if (old != NULL) {
            drop_box(old);
            free(old);
        }
        if (!link->pending[i].waits || atomic_load(&w->region_next) != NULL)
            continue;
        box = malloc(sizeof(*box));
        if (box == NULL)
            continue;
        *box = link->pending[i].box;
        link->pending[i].waits = false;
        atomic_store_explicit(&w->region_next, box, memory_order_release);
    }
}

void core_link_poll(struct core_link *link, int timeout_ms)
{
    struct pollfd fds[2] = {
        {.fd = link->run,     .events = POLLIN},
        {.fd = link->control, .events = POLLIN}
    };

    poll(fds, 2, timeout_ms);
    if (fds[0].revents != 0)
        read_socket(link, &link->run, true);
    if (fds[1].revents != 0)
        read_socket(link, &link->control, false);
    hand_over(link);
}

int core_link_settings(struct core_link *link, const char **ret_why)
{
    for (int waited = 0; waited < SETTINGS_WAIT_MS; waited += 10) {
        core_link_poll(link, 10);
        if (link->have_settings && link->core->stats != NULL)
            return 0;
        if (link->stop)
            break;
    }
    *ret_why = "no settings came from sluice run: sluice-dataplane is started by it, not by hand";
    return -1;
}

void core_link_ready(struct core_link *link)
{
    struct link_head head = {.abi = IPC_ABI, .type = LINK_READY, .kind = IPC_DATAPLANE};

    link_send(link->run, &head, NULL, NULL, 0);
}

void core_link_failed(struct core_link *link, const char *why)
{
    struct link_head head = {.abi = IPC_ABI, .type = LINK_FAILED, .kind = IPC_DATAPLANE};
    json_t *object = json_pack("{s:s}", "error", why);
    char *text = json_dumps(object, JSON_COMPACT);

    link_send(link->run, &head, text, NULL, 0);
    free(text);
    json_decref(object);
}
