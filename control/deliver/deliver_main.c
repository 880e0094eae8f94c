/* deliver_main.c - sluice-deliver: started by `sluice run`, work in, outcomes out. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "deliver_loop.h"
#include "ipc_link.h"
#include "log_line.h"

#define WAIT_US 60000000u

/* 100 attempts may hold 64 log segments each. */
static void descriptors_allow(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int main(void)
{
    struct deliver *d;
    int status;

    if (fcntl(LINK_FD, F_GETFD) < 0) {
        fprintf(stderr, "sluice-deliver: is started by `sluice run`, not by hand\n");
        return 2;
    }
    /* First: it opens descriptor 2 anew, which a process that is not dumpable may not. */
    log_setup("", IPC_DELIVER, LOG_JSON);
    /* Ctrl-C reaches the whole group; the order to stop comes from run. */
    signal(SIGINT, SIG_IGN);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    descriptors_allow();
    fcntl(LINK_FD, F_SETFD, FD_CLOEXEC);
    d = deliver_new(LINK_FD, &client_timeouts_rfc5321);
    if (d == NULL)
        return 1;
    while (deliver_turn(d, WAIT_US))
        ;
    status = deliver_status(d);
    deliver_free(d);
    return status;
}
