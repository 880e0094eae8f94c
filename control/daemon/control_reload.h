/* control_reload.h - a configuration read and compiled, and what of it needs a restart.
 *
 * What the other processes were started with (their SETTINGS) is the baseline.  A reload brings
 * everything that stands in the policy image, the queue's retry and limits, and the admin
 * address; what else differs from the baseline is named, and comes with the next start of
 * `sluice run`.  The baseline is kept in RUNTIME/control.baseline so that a restarted control
 * compares with what the others run with and not with what it finds.
 *
 * Threads: one.  Clock: none.  Memory: heap.
 */
#ifndef CONTROL_RELOAD_H
#define CONTROL_RELOAD_H

#include <jansson.h>

#include "compile.h"

struct loaded {
    struct conf          *conf;  /* NULL: nothing loaded */
    struct compile_result image; /* fd -1: none */
};

#define LOADED_NONE {.image = {.fd = -1}}

/* 0 and *ret; -errno and the lines in *ret_error, *ret untouched. */
int  loaded_make(struct loaded *ret, const char *path, const struct conf_opener *opener,
                 uint64_t generation, struct conf_error *ret_error);
void loaded_done(struct loaded *loaded);

/* The lines as one text, and as a JSON array. */
json_t *error_lines(const struct conf_error *error);
json_t *error_text(const struct conf_error *error);

json_t *baseline_make(const struct conf *conf); /* NULL: out of memory */
/* Names of what differs: ["dataplane.ports", "queue.directory", …]. */
json_t *baseline_changes(const json_t *baseline, const struct conf *conf);

int     baseline_save(const char *runtime, const json_t *baseline); /* 0 or -errno */
json_t *baseline_load(const char *runtime); /* NULL: none that can be used */

#endif
