/* control_figures.c - the figures of all processes, gathered when someone looks. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "control_state.h"

static const enum ipc_kind shown[] = {IPC_RUN, IPC_DATAPLANE, IPC_CONTROL, IPC_QUEUE, IPC_DELIVER};

static bool is_up(const struct control *c, enum ipc_kind kind)
{
    return kind == IPC_RUN || kind == IPC_CONTROL || c->links.peers[kind].up;
}

static void own_add(struct control *c)
{
    struct metrics *m = &c->metrics;
    const struct compile_result *image = &c->current.image;
    char name[METRICS_NAME_MAX];

    for (size_t i = 0; i < ARRAY_LEN(shown); i++) {
        enum ipc_kind kind = shown[i];

        snprintf(name, sizeof(name), "sluice_up{process=\"%s\"}", ipc_kind_name(kind));
        metrics_add(m, name, "Whether the process runs", STATS_GAUGE, is_up(c, kind));
        if (kind == IPC_RUN)
            continue;
        snprintf(name, sizeof(name), "sluice_process_restarts_total{process=\"%s\"}",
                 ipc_kind_name(kind));
        metrics_add(m, name, "Times the process was started again", STATS_COUNTER,
                    kind == IPC_CONTROL ? (c->epoch > 0 ? c->epoch - 1 : 0)
                                        : links_restarts(&c->links, kind));
    }
    metrics_add(m, "sluice_build_info{version=\"" SLUICE_VERSION "\"}", "The version, always 1",
                STATS_GAUGE, 1);
    metrics_add(m, "sluice_policy_generation", "Generation of the policy image in force",
                STATS_GAUGE, image->fd >= 0 ? image->generation : 0);
    metrics_add(m, "sluice_policy_bytes", "Size of the policy image", STATS_GAUGE,
                image->fd >= 0 ? image->bytes : 0);
    metrics_add(m, "sluice_policy_recipients", "Recipients in the policy image", STATS_GAUGE,
                image->fd >= 0 ? image->recipients : 0);
    metrics_add(m, "sluice_reload_failed", "Whether the last reload failed", STATS_GAUGE,
                c->load_error[0] != '\0');
    metrics_add(m, "sluice_metrics_refused", "Figures left out because their names are not ours",
                STATS_GAUGE, m->refused);
}

void control_gather(struct control *c)
{
    metrics_clear(&c->metrics);
    for (int kind = 0; kind < IPC_KINDS; kind++)
        if (c->links.peers[kind].stats != NULL)
            metrics_add_region(&c->metrics, c->links.peers[kind].stats);
    own_add(c);
    metrics_group(&c->metrics);
}

/* What RUNTIME/NAME.pid says, and since when: each at its start is written anew.  Or null. */
static json_t *pid_of(const struct control *c, enum ipc_kind kind, json_t **ret_started)
{
    char path[sizeof(c->runtime) + 32], text[32] = "";
    struct stat st;
    size_t got = 0;
    FILE *f;
    long pid;

    snprintf(path, sizeof(path), "%s/%s.pid", c->runtime, ipc_kind_name(kind));
    *ret_started = json_null();
    f = fopen(path, "re");
    if (f != NULL) {
        got = fread(text, 1, sizeof(text) - 1, f);
        if (fstat(fileno(f), &st) == 0)
            *ret_started =
                json_integer((json_int_t)st.st_mtim.tv_sec * 1000000 + st.st_mtim.tv_nsec / 1000);
        fclose(f);
    }
    text[got] = '\0';
    pid = strtol(text, NULL, 10);
    return pid > 0 ? json_integer(pid) : json_null();
}

json_t *control_processes(const struct control *c)
{
    json_t *all = json_object();

    for (size_t i = 0; i < ARRAY_LEN(shown); i++) {
        enum ipc_kind kind = shown[i];
        json_int_t epoch = kind == IPC_RUN       ? 1
                           : kind == IPC_CONTROL ? c->epoch
                                                 : c->links.peers[kind].epoch;
        json_t *started, *pid = pid_of(c, kind, &started);

        json_object_set_new(all, ipc_kind_name(kind),
                            json_pack("{s:o, s:o, s:I, s:b}", "pid", pid, "started", started,
                                      "epoch", epoch, "up", (int)is_up(c, kind)));
    }
    return all;
}

json_t *control_stats(struct control *c)
{
    json_t *stats;

    control_gather(c);
    stats = metrics_json(&c->metrics);
    json_object_set_new(stats, "instance", json_string(c->instance));
    json_object_set_new(stats, "version", json_string(SLUICE_VERSION));
    json_object_set_new(stats, "processes", control_processes(c));
    return stats;
}

int control_page(void *ctx, enum admin_page page, char **ret_body, size_t *ret_bytes)
{
    struct control *c = ctx;
    json_t *stats;

    if (page == ADMIN_METRICS) {
        control_gather(c);
        return metrics_text(&c->metrics, ret_body, ret_bytes);
    }
    stats = control_stats(c);
    *ret_body = json_dumps(stats, JSON_INDENT(1) | JSON_SORT_KEYS);
    json_decref(stats);
    if (*ret_body == NULL)
        return -ENOMEM;
    *ret_bytes = strlen(*ret_body);
    return 0;
}
