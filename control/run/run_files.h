/* run_files.h - which files run opens for sluice-control: regular files that the configuration
 * names, by run's own reading of it.  So a control that was taken over gets nothing that the
 * administrator had not given it anyway.
 */
#ifndef RUN_FILES_H
#define RUN_FILES_H

#include "conf.h"

struct run_files {
    char   *config; /* absolute */
    char  **paths;  /* sorted */
    size_t  count;
};

/* config: absolute path.  0 or -ENOMEM. */
int  files_init(struct run_files *files, const char *config);
void files_done(struct run_files *files);

/* Reads the configuration anew.  When it is refused, what could be read of it is still named
 * (control reads it too and says what is wrong).  0 and *ret (the caller's), or as conf_load(). */
int files_read(struct run_files *files, struct conf **ret, struct conf_error *ret_error);

bool files_permits(const struct run_files *files, const char *path);

/* A descriptor, or -EACCES (not named), -EINVAL (not a regular file), -errno of open(). */
int files_open(const struct run_files *files, const char *path);

#endif
