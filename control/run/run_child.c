/* run_child.c - fork, confine, exec, reap. */
#include "run_child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ipc_link.h"
#include "run_limits.h"

#define NEVER            ((struct usec){.us = UINT64_MAX})
#define EXIT_NOT_STARTED 127

void child_init(struct run_child *child, enum ipc_kind kind)
{
    *child = (struct run_child){
        .kind = kind,
        .pidfd = -1,
        .link = -1,
        .stats = -1,
        .spawn_due = NEVER,
        .kill_due = NEVER,
    };
}

/* In the child: says why and ends; run sees the exit status. */
static _Noreturn void not_started(const char *program, const char *step)
{
    int error = errno;

    dprintf(STDERR_FILENO, "sluice run: cannot start %s: %s: %s\n", program, step, strerror(error));
    _exit(EXIT_NOT_STARTED);
}

static void raise_limits(void)
{
    struct rlimit limit = {.rlim_cur = RUN_DESCRIPTORS, .rlim_max = RUN_DESCRIPTORS};

    /* Registered buffers and huge pages; what the system refuses, the child does without. */
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max = RLIM_INFINITY;
    (void)setrlimit(RLIMIT_MEMLOCK, &limit);
}

static void become_user(const struct child_start *start)
{
    if (setgroups(0, NULL) != 0)
        not_started(start->program, "setgroups");
    if (setgid(start->gid) != 0)
        not_started(start->program, "setgid");
    if (setuid(start->uid) != 0)
        not_started(start->program, "setuid");
    if (start->uid != 0 && setuid(0) == 0) {
        errno = EPERM;
        not_started(start->program, "could become root again");
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        not_started(start->program, "no_new_privs");
}

static void place_descriptors(const struct child_start *start, int link)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (null < 0 || dup2(null, STDIN_FILENO) < 0)
        not_started(start->program, "/dev/null");
    if (link == LINK_FD ? fcntl(link, F_SETFD, 0) != 0 : dup2(link, LINK_FD) < 0)
        not_started(start->program, "link");
    if (close_range(LINK_FD + 1, ~0u, CLOSE_RANGE_CLOEXEC) != 0)
        not_started(start->program, "close_range");
}

static _Noreturn void be_child(const struct child_start *start, int link, pid_t parent)
{
    char *argv[2] = {(char *)(uintptr_t)start->program, NULL};
    sigset_t none;

    for (int s = 1; s < NSIG; s++)
        (void)signal(s, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setsid();
    umask(077);
    raise_limits();
    place_descriptors(start, link);
    if (!start->as_root)
        become_user(start);
    /* After the change of user, which clears it.  Had we been orphaned before, now we know. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)
        _exit(EXIT_NOT_STARTED);
    execv(start->program, argv);
    not_started(start->program, "exec");
}

int child_spawn(struct run_child *child, const struct child_start *start)
{
    pid_t pid, parent = getpid();
    int pair[2], pidfd, rc;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0)
        return -errno;
    pid = fork();
    if (pid == 0)
        be_child(start, pair[1], parent);
    rc = pid < 0 ? -errno : 0;
    close(pair[1]);
    pidfd = rc == 0 ? pidfd_open(pid, 0) : -1;
    if (rc == 0 && pidfd < 0) {
        rc = -errno;
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
    if (rc != 0) {
        close(pair[0]);
        return rc;
    }
    fcntl(pidfd, F_SETFD, FD_CLOEXEC);
    child->pid = pid;
    child->pidfd = pidfd;
    child->link = pair[0];
    return 0;
}

static void close_one(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

bool child_reap(struct run_child *child, int *ret_status, bool *ret_signal)
{
    siginfo_t info = {.si_pid = 0};

    if (child->pid == 0 || waitid(P_PIDFD, (id_t)child->pidfd, &info, WEXITED | WNOHANG) != 0 ||
        info.si_pid == 0)
        return false;
    *ret_status = info.si_status;
    *ret_signal = info.si_code != CLD_EXITED;
    child->pid = 0;
    close_one(&child->pidfd);
    close_one(&child->link);
    close_one(&child->stats);
    return true;
}

void child_kill(struct run_child *child)
{
    /* By descriptor: never somebody else who got the number since. */
    if (child->pid != 0)
        pidfd_send_signal(child->pidfd, SIGKILL, NULL, 0);
}

uint64_t child_delay_us(unsigned deaths)
{
    uint64_t delay;

    if (deaths <= 1)
        return 0;
    delay = deaths - 2 < 8 ? 1000000ull << (deaths - 2) : RUN_DELAY_MAX_US;
    return delay < RUN_DELAY_MAX_US ? delay : RUN_DELAY_MAX_US;
}
