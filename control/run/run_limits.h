/* run_limits.h - the supervisor's times and bounds. */
#ifndef RUN_LIMITS_H
#define RUN_LIMITS_H

#define RUN_START_WAIT_US 10000000u  /* for READY before the next child is started anyway */
#define RUN_STOP_WAIT_US 15000000u   /* for a child to end after STOP, then SIGKILL */
#define RUN_LINK_WAIT_US 5000000u    /* for a child to end after it closed its link */
#define RUN_ALIVE_US 60000000u       /* alive so long: its next restart is at once again */
#define RUN_DELAY_MAX_US 10000000u   /* the longest wait before a restart */
#define RUN_MESSAGES_A_TURN 64       /* of one child before the others have their turn */
#define RUN_FILES_MAX 262144u        /* paths that may be opened for control */
#define RUN_LINK_BUFFER_BYTES 1048576 /* of a socket between two children */
#define RUN_DESCRIPTORS 65536        /* RLIMIT_NOFILE of the children, where the system allows */

#endif
