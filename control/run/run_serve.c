/* run_serve.c - what children say: ready, failed, open this file, the files have changed. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "log_line.h"
#include "run_house.h"
#include "run_limits.h"

static void take_failed(struct run_child *child, const char *text)
{
    json_t *object = json_loads(text, 0, NULL);
    const char *error = json_string_value(json_object_get(object, "error"));
    struct log_line line;

    snprintf(child->error, sizeof(child->error), "%s", error != NULL ? error : "no reason given");
    json_decref(object);
    log_begin(&line, "child-failed");
    log_str(&line, "child", ipc_kind_name(child->kind));
    log_str(&line, "error", child->error);
    log_end(&line);
}

/* What the configuration names now.  Its errors are control's to report: it reads it too. */
static void read_files_again(struct house *house)
{
    struct conf_error *error = calloc(1, sizeof(*error));
    struct conf *conf = NULL;

    if (error != NULL && files_read(&house->files, &conf, error) == 0)
        conf_free(conf);
    free(error);
}

/* The answer names the path and carries the file, or the system's words for why not. */
static void take_open(struct house *house, struct run_child *child, const struct link_message *m)
{
    struct link_head head = {.type = LINK_GIVEN_FD, .kind = IPC_RUN, .token = m->head.token};
    json_t *asked = json_loads(m->text, 0, NULL), *answer;
    const char *path = json_string_value(json_object_get(asked, "path"));
    char *text;
    int fd;

    if (path == NULL) {
        json_decref(asked);
        return;
    }
    if (strcmp(path, house->files.config) == 0)
        read_files_again(house);
    fd = child->kind == IPC_CONTROL ? files_open(&house->files, path) : -EACCES;
    answer = fd >= 0 ? json_pack("{s:s}", "path", path)
                     : json_pack("{s:s, s:s}", "path", path, "error", strerror(-fd));
    text = answer != NULL ? json_dumps(answer, JSON_COMPACT) : NULL;
    if (text != NULL)
        peers_send(house, child, &head, text, &fd, fd >= 0 ? 1 : 0);
    if (fd >= 0)
        close(fd);
    free(text);
    json_decref(answer);
    json_decref(asked);
}

static void take_message(struct house *house, struct run_child *child)
{
    struct link_message *m = &house->message;

    switch (m->head.type) {
    case LINK_READY:
        step_ready(house, child);
        break;
    case LINK_FAILED:
        take_failed(child, m->text);
        break;
    case LINK_OPEN:
        take_open(house, child, m);
        break;
    case LINK_RELOADED:
        if (child->kind == IPC_CONTROL)
            read_files_again(house);
        break;
    default: /* nothing else is a child's to say to run */
        break;
    }
    link_close_fds(m);
}

static void link_ended(struct house *house, struct run_child *child, const char *why)
{
    struct log_line line;

    close(child->link);
    child->link = -1;
    /* Mostly it is just ending; if it goes on without us, not for long. */
    child->kill_due = usec_add(house->now, why != NULL ? 0 : RUN_LINK_WAIT_US);
    if (why == NULL)
        return;
    log_begin(&line, "child-killed");
    log_str(&line, "child", ipc_kind_name(child->kind));
    log_str(&line, "error", why);
    log_end(&line);
}

void serve_child(struct house *house, struct run_child *child)
{
    for (int i = 0; i < RUN_MESSAGES_A_TURN && child->link >= 0; i++) {
        const char *why = NULL;
        int rc = link_receive(child->link, &house->message, &why);

        if (rc == -EAGAIN)
            return;
        if (rc == 1)
            take_message(house, child);
        else
            link_ended(house, child, rc == -EPROTO ? why : NULL);
    }
}
