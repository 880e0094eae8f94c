/* queue_main.c - sluice-queue: started by `sluice run`, keeps the mail. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "ipc_link.h"
#include "log_line.h"
#include "queue_loop.h"

/* The log's descriptors: up to READ_FDS_MAX and a few. */
static void descriptors_allow(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int main(void)
{
    if (fcntl(LINK_FD, F_GETFD) < 0) {
        fprintf(stderr, "sluice-queue: is started by `sluice run`, not by hand\n");
        return 2;
    }
    /* First: it opens descriptor 2 anew, which a process that is not dumpable may not. */
    log_setup("", IPC_QUEUE, LOG_JSON);
    /* Ctrl-C reaches the whole group; the order to stop comes from run. */
    (void)signal(SIGINT, SIG_IGN);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    descriptors_allow();
    return queue_loop(LINK_FD);
}
