/* run_loop.c - `sluice run`: checks, settles in, and turns until everything has stopped. */
#include "run.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "log_line.h"
#include "run_house.h"

/* Started in this order. */
static const enum ipc_kind kinds[HOUSE_CHILDREN] = {IPC_QUEUE, IPC_DELIVER, IPC_CONTROL,
                                                    IPC_DATAPLANE};

static struct usec clock_now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (struct usec){.us = (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000};
}

static int refuse(const char *words)
{
    fprintf(stderr, "sluice run: %s\n", words);
    return 1;
}

/* ---- the loop ---- */

static void ask_reload(struct house *house)
{
    struct run_child *control = house_child(house, IPC_CONTROL);
    struct link_head head = {.type = LINK_ORDER, .kind = IPC_RUN};
    struct log_line line;

    log_begin(&line, "reload");
    log_str(&line, "reason", "SIGHUP");
    log_end(&line);
    peers_send(house, control, &head, "{\"order\":\"reload\"}", NULL, 0);
}

static void take_signals(struct house *house)
{
    struct signalfd_siginfo info;

    while (read(house->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo == SIGHUP)
            ask_reload(house);
        else
            step_stop(house, info.ssi_signo == SIGINT ? "SIGINT" : "SIGTERM");
    }
}

static int wait_ms(const struct house *house)
{
    struct usec due = step_due(house);
    uint64_t us;

    if (due.us == UINT64_MAX)
        return -1;
    us = usec_since(clock_now(), due);
    return us / 1000 + 1 < INT_MAX ? (int)(us / 1000 + (us % 1000 != 0)) : INT_MAX;
}

static void turn(struct house *house)
{
    struct pollfd fds[1 + 2 * HOUSE_CHILDREN];

    fds[0] = (struct pollfd){.fd = house->signals, .events = POLLIN};
    for (size_t i = 0; i < HOUSE_CHILDREN; i++) { /* -1: poll passes over it */
        fds[1 + 2 * i] = (struct pollfd){.fd = house->children[i].link, .events = POLLIN};
        fds[2 + 2 * i] = (struct pollfd){.fd = house->children[i].pidfd, .events = POLLIN};
    }
    if (poll(fds, ARRAY_LEN(fds), wait_ms(house)) < 0 && errno != EINTR)
        return;
    house->now = clock_now();
    if (fds[0].revents != 0)
        take_signals(house);
    for (size_t i = 0; i < HOUSE_CHILDREN; i++) {
        struct run_child *child = &house->children[i];
        int status = 0;
        bool by_signal = false;

        /* Its last words first: FAILED comes just before the end. */
        if (fds[1 + 2 * i].revents != 0)
            serve_child(house, child);
        if (fds[2 + 2 * i].revents == 0)
            continue;
        serve_child(house, child);
        if (child_reap(child, &status, &by_signal))
            step_ended(house, child, status, by_signal);
    }
    step_forward(house);
}

/* ---- settling in ---- */

static int open_signals(struct house *house)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        return -errno;
    house->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return house->signals >= 0 ? 0 : -errno;
}

static int settle(struct house *house)
{
    const char *runtime = house->conf->runtime_directory.text;
    char error[RUN_ERROR_BYTES];

    if (place_user(&house->place, house->conf->runtime_user.text, error) != 0 ||
        place_directory(&house->place, runtime, 0755, error) != 0 ||
        place_open(&house->place, runtime, error) != 0 ||
        place_directory(&house->place, house->conf->queue.directory.text, 0700, error) != 0)
        return refuse(error);
    if (open_signals(house) != 0)
        return refuse("cannot watch signals");
    int rc = place_write_pid(&house->place, "run", getpid());

    if (rc != 0) {
        snprintf(error, sizeof(error), "%s: cannot write run.pid: %s", runtime, strerror(-rc));
        return refuse(error);
    }
    return 0;
}

static void leave(struct house *house)
{
    if (house->place.directory >= 0) {
        for (size_t i = 0; i < HOUSE_CHILDREN; i++)
            place_remove(&house->place, ipc_kind_name(kinds[i]), ".pid");
        place_remove(&house->place, "control", ".sock");
        place_remove(&house->place, "run", ".pid");
    }
    place_close(&house->place);
    if (house->signals >= 0)
        close(house->signals);
}

static int live(struct house *house)
{
    struct log_line line;

    log_begin(&line, "starting");
    log_str(&line, "version", SLUICE_VERSION);
    log_str(&line, "config", house->files.config);
    log_end(&line);
    house->now = clock_now();
    step_forward(house);
    while (!step_over(house))
        turn(house);
    log_begin(&line, "stopped");
    log_i64(&line, "status", house->status);
    log_end(&line);
    return house->status;
}

static int open_house(struct house *house)
{
    int rc;

    log_setup(house->conf->instance.text, IPC_RUN,
              house->conf->log.format == CONF_LOG_JSON ? LOG_JSON : LOG_MAILLOG);
    for (size_t i = 0; i < HOUSE_CHILDREN; i++)
        child_init(&house->children[i], kinds[i]);
    rc = settle(house);
    if (rc == 0)
        rc = live(house);
    leave(house);
    return rc;
}

/* The folder of our own program; 0 or -errno. */
static int own_folder(char out[PATH_MAX])
{
    ssize_t n = readlink("/proc/self/exe", out, PATH_MAX - 1);
    char *slash;

    if (n < 0)
        return -errno;
    out[n] = '\0';
    slash = strrchr(out, '/');
    if (slash == NULL)
        return -EINVAL;
    *slash = '\0';
    return 0;
}

/* Before anything is changed: are the others there? */
static int check_programs(const char *folder)
{
    char path[PATH_MAX + 32], words[PATH_MAX + 128];

    for (size_t i = 0; i < HOUSE_CHILDREN; i++) {
        snprintf(path, sizeof(path), "%s/sluice-%s", folder, ipc_kind_name(kinds[i]));
        if (access(path, X_OK) == 0)
            continue;
        snprintf(words, sizeof(words),
                 "%s: %s; it belongs beside the sluice program: build all of it", path,
                 strerror(errno));
        return refuse(words);
    }
    return 0;
}

static int absolute(const char *path, char out[PATH_MAX])
{
    char here[PATH_MAX];
    int n;

    if (path[0] == '/')
        n = snprintf(out, PATH_MAX, "%s", path);
    else if (getcwd(here, sizeof(here)) == NULL)
        return -errno;
    else
        n = snprintf(out, PATH_MAX, "%s/%s", strcmp(here, "/") == 0 ? "" : here, path);
    return n < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static int load(struct house *house, const char *config)
{
    struct conf_error *error = calloc(1, sizeof(*error));
    struct conf *conf = NULL;
    int rc = error == NULL ? -ENOMEM : files_init(&house->files, config);

    if (rc == 0)
        rc = files_read(&house->files, &conf, error);
    if (rc == 0)
        house->conf = conf;
    else if (error == NULL || error->count == 0)
        (void)refuse(strerror(-rc));
    for (uint32_t i = 0; rc != 0 && error != NULL && i < error->count; i++)
        fprintf(stderr, "%s\n", error->line[i]);
    free(error);
    return rc == 0 ? 0 : 1;
}

int run_main(const struct run_options *options)
{
    char config[PATH_MAX], folder[PATH_MAX];
    struct house *house;
    int rc;

    if (geteuid() != 0)
        return refuse("must be started as root: it opens the devices, and everything else then "
                      "runs as runtime.user; try: sudo sluice run -c FILE");
    if (absolute(options->config, config) != 0 ||
        (options->programs == NULL && own_folder(folder) != 0))
        return refuse("cannot make out the paths of the configuration and the programs");
    house = calloc(1, sizeof(*house));
    if (house == NULL)
        return refuse("out of memory");
    house->force = options->force;
    house->programs = options->programs != NULL ? options->programs : folder;
    house->place.directory = -1;
    house->signals = -1;
    rc = check_programs(house->programs);
    if (rc == 0)
        rc = load(house, config);
    if (rc == 0)
        rc = open_house(house);
    conf_free((struct conf *)(uintptr_t)house->conf);
    files_done(&house->files);
    free(house);
    return rc;
}
