/* run_files.c - the paths the configuration names. */
#include "run_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "run_limits.h"

struct gather {
    char **paths;
    size_t count, room;
    bool full;
};

static void gather_add(struct gather *g, const char *path)
{
    char *copy;

    if (g->count == g->room) {
        size_t room = g->room == 0 ? 64 : 2 * g->room;
        char **more = room <= RUN_FILES_MAX ? realloc(g->paths, room * sizeof(*more)) : NULL;

        if (more == NULL) {
            g->full = true;
            return;
        }
        g->paths = more;
        g->room = room;
    }
    copy = strdup(path);
    if (copy == NULL)
        g->full = true;
    else
        g->paths[g->count++] = copy;
}

static int open_and_note(void *ctx, const char *path)
{
    gather_add(ctx, path);
    return conf_opener_direct.open(conf_opener_direct.ctx, path);
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void paths_free(char **paths, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(paths[i]);
    free(paths);
}

int files_init(struct run_files *files, const char *config)
{
    *files = (struct run_files){.config = strdup(config)};
    return files->config != NULL ? 0 : -ENOMEM;
}

void files_done(struct run_files *files)
{
    paths_free(files->paths, files->count);
    free(files->config);
    *files = (struct run_files){.config = NULL};
}

int files_read(struct run_files *files, struct conf **ret, struct conf_error *ret_error)
{
    struct gather g = {.paths = NULL};
    const struct conf_opener opener = {.ctx = &g, .open = open_and_note};
    struct conf *conf = NULL;
    int rc = conf_load(files->config, &opener, &conf, ret_error);

    if (rc == 0) {
        uint32_t count;
        const struct conf_file *named = conf_files(conf, &count);

        for (uint32_t i = 0; i < count; i++)
            gather_add(&g, named[i].path);
    }
    if (g.full) {
        paths_free(g.paths, g.count);
        conf_free(conf);
        conf_error_add(ret_error, &(struct conf_where){.file = files->config},
                       "%s: out of memory for the names of its files", files->config);
        return -ENOMEM;
    }
    if (g.count > 0)
        qsort(g.paths, g.count, sizeof(*g.paths), compare);
    paths_free(files->paths, files->count);
    files->paths = g.paths;
    files->count = g.count;
    if (rc == 0)
        *ret = conf;
    return rc;
}

bool files_permits(const struct run_files *files, const char *path)
{
    if (strcmp(path, files->config) == 0)
        return true;
    return files->count > 0 &&
           bsearch(&path, files->paths, files->count, sizeof(*files->paths), compare) != NULL;
}

int files_open(const struct run_files *files, const char *path)
{
    struct stat st;
    int fd;

    if (!files_permits(files, path))
        return -EACCES;
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        return fd;
    close(fd);
    return -EINVAL;
}
