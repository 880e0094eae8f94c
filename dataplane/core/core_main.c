/* core_main.c - sluice-dataplane: a DPDK primary process; main() is the main lcore.
 *
 * Started by `sluice run` as root; opens its ports, becomes runtime.user for good, launches
 * the workers and then only handles messages and log events, sleeping in between.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_launch.h>

#include "core_link.h"
#include "core_log.h"
#include "core_port.h"
#include "core_start.h"
#include "log_line.h"

#define BUSY_POLL_MS 2
#define IDLE_POLL_MS 10
#define STOP_WAIT_US 8000000u /* for sessions to read their 421; run waits longer */

static void read_wall_clock(struct core *core)
{
    struct timespec t;
    uint64_t wall;

    clock_gettime(CLOCK_REALTIME, &t);
    wall = (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
    atomic_store(&core->wall_offset_us, wall - core_now(core).us);
}

/* For good: ports are open, nothing later needs root. */
static int become(const char *user, const char **ret_why)
{
    static char why[160];
    struct passwd *pw;

    if (geteuid() != 0)
        return 0;
    pw = getpwnam(user);
    if (pw == NULL || pw->pw_uid == 0) {
        snprintf(why, sizeof(why),
                 "runtime.user: no such unprivileged user %s (tools/deps.sh makes it)", user);
        *ret_why = why;
        return -1;
    }
    if (setgroups(0, NULL) != 0 || setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) != 0 ||
        setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) != 0 || setuid(0) == 0) {
        *ret_why = "cannot give up root";
        return -1;
    }
    prctl(PR_SET_DUMPABLE, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* forgotten at the change of user */
    return 0;
}

static uint64_t open_sessions(const struct core *core)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < core->workers_count; i++)
        n += count_get(&core->workers[i]->counters[CORE_OPEN_SESSIONS]);
    return n;
}

static void warn_huge(const struct core *core)
{
    struct log_line line;

    if (core->huge || core->settings.hugepages == HUGEPAGES_OFF)
        return;
    log_begin(&line, "no-huge-pages");
    log_str(&line, "warning",
            "running without huge pages, which is slower: too few are free; "
            "sysctl vm.nr_hugepages=256 gives some");
    log_end(&line);
}

static void serve(struct core *core, struct core_link *link, struct core_log *log,
                  struct ring *rings)
{
    struct usec stopping = {0};
    unsigned events = 0;

    for (;;) {
        /* A full round means that more waits: no sleep before the next. */
        core_link_poll(link, events >= CORE_LOG_ROUND ? 0 : events > 0 ? BUSY_POLL_MS : IDLE_POLL_MS);
        read_wall_clock(core);
        events = core_log_drain(log, core, rings);
        core_log_second(log, core_now(core).us + atomic_load(&core->wall_offset_us), false);
        if (!link->stop)
            continue;
        if (stopping.us == 0) {
            stopping = core_now(core);
            atomic_store(&core->draining, true);
            atomic_store(&core->stopping, true);
        }
        /* The gauges are a tenth of a second old: wait that long at least. */
        if (usec_since(stopping, core_now(core)) > STOP_WAIT_US ||
            (usec_since(stopping, core_now(core)) > 300000 && open_sessions(core) == 0))
            return;
    }
}

static void shut(struct core *core, struct core_log *log, struct ring *rings)
{
    atomic_store(&core->quit, true);
    rte_eal_mp_wait_lcore();
    while (core_log_drain(log, core, rings) > 0)
        continue;
    core_log_second(log, 0, true);
    core_ports_close(core);
}

int main(void)
{
    static struct core core;
    static struct core_link link;
    static struct ring rings[CORE_WORKERS_MAX];
    const char *why = NULL;
    struct core_log *log;

    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    signal(SIGINT, SIG_IGN); /* the terminal's Ctrl-C is run's to handle */
    core_link_init(&link, &core, LINK_FD);
    if (core_link_settings(&link, &why) != 0) {
        fprintf(stderr, "sluice-dataplane: %s\n", why);
        return 2;
    }
    log_setup(core.settings.instance, IPC_DATAPLANE,
              core.settings.log_maillog ? LOG_MAILLOG : LOG_JSON);
    log = core_log_new(core.settings.log_refusals_per_second);
    /* The longest gap falls from 10 ms to 1.4 ms. */
    setpriority(PRIO_PROCESS, 0, -20);
    if (log == NULL || core_start(&core, rings, &why) != 0 ||
        become(core.settings.user, &why) != 0) {
        core_link_failed(&link, why);
        log_error("start", why);
        return 1;
    }
    setpriority(PRIO_PROCESS, 0, 0); /* the workers keep theirs; this thread is in no hurry */
    warn_huge(&core);
    read_wall_clock(&core);
    for (unsigned i = 0; i < core.workers_count; i++)
        rte_eal_remote_launch(worker_run, core.workers[i], core.workers[i]->lcore);
    core_link_ready(&link);
    serve(&core, &link, log, rings);
    shut(&core, log, rings);
    return 0;
}
