/* control_main.c - sluice-control: started by `sluice run`; configuration, policy, figures. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>

#include "control_loop.h"
#include "ipc_link.h"
#include "log_line.h"

#define WAIT_US 60000000u

int main(void)
{
    struct control *c;
    int status;

    if (fcntl(LINK_FD, F_GETFD) < 0) {
        fprintf(stderr, "sluice-control: is started by `sluice run`, not by hand\n");
        return 2;
    }
    /* First: it opens descriptor 2 anew, which a process that is not dumpable may not. */
    log_setup("", IPC_CONTROL, LOG_JSON);
    /* Ctrl-C reaches the whole group; the order to stop comes from run. */
    signal(SIGINT, SIG_IGN);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    fcntl(LINK_FD, F_SETFD, FD_CLOEXEC);
    c = control_new(LINK_FD);
    if (c == NULL)
        return 1;
    while (control_turn(c, WAIT_US))
        ;
    status = control_status(c);
    control_free(c);
    return status;
}
