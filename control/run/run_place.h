/* run_place.h - where an edge lives: its user, its runtime directory with lock and pid files, its
 * queue directory.
 *
 * The runtime directory belongs to an unprivileged user while root writes into it: files are
 * made under new names (never following links) and renamed into place.
 *
 * Errors: 0 or -1 with words, what to do included, in ret_error.
 */
#ifndef RUN_PLACE_H
#define RUN_PLACE_H

#include <sys/types.h>

#include "base_types.h"

#define RUN_ERROR_BYTES 1024

struct run_place {
    uid_t uid;
    gid_t gid;
    int   directory; /* RUNTIME, locked; -1: not open */
};

int place_user(struct run_place *place, const char *user, char ret_error[RUN_ERROR_BYTES]);

/* Makes path (and what is missing above it) a directory of the place's user with this mode.  An
 * existing one that is somebody else's and not empty is refused, not taken over. */
int place_directory(const struct run_place *place, const char *path, mode_t mode,
                    char ret_error[RUN_ERROR_BYTES]);

/* Opens and locks RUNTIME; refused while another run holds it. */
int  place_open(struct run_place *place, const char *runtime, char ret_error[RUN_ERROR_BYTES]);
void place_close(struct run_place *place); /* unlocks */

/* NAME.pid: written whole or not at all; 0 or -errno. */
int  place_write_pid(const struct run_place *place, const char *name, pid_t pid);
void place_remove(const struct run_place *place, const char *name, const char *suffix);

#endif
