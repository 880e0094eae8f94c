/* conf_load.c - files: the configuration and what it includes, each opened once. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf_check.h"
#include "conf_read.h"

struct load {
    const struct conf_opener *opener;
    struct conf_reader        reader;
    struct conf_file          files[CONF_FILES_MAX];
    uint32_t                  files_count;
    int                       rc;
};

static int open_direct(void *ctx, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    (void)ctx;
    return fd >= 0 ? fd : -errno;
}

const struct conf_opener conf_opener_direct = {.open = open_direct};

/* The whole of a regular file.  0 and malloc'ed *ret; -EFBIG; -EISDIR for what is no file. */
static int slurp(int fd, uint8_t **ret, size_t *ret_len)
{
    struct stat st;
    uint8_t *bytes;
    size_t len = 0;

    if (fstat(fd, &st) != 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
    if (st.st_size > (off_t)CONF_FILE_BYTES_MAX)
        return -EFBIG;
    /* One more than it says: what grows while we read is seen, not cut. */
    bytes = malloc((size_t)st.st_size + 1);
    if (bytes == NULL)
        return -ENOMEM;
    for (;;) {
        ssize_t n = read(fd, bytes + len, (size_t)st.st_size + 1 - len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 || len + (size_t)n > (size_t)st.st_size) {
            int rc = n < 0 ? -errno : -EBUSY;

            free(bytes);
            return rc;
        }
        if (n == 0)
            break;
        len += (size_t)n;
    }
    *ret = bytes;
    *ret_len = len;
    return 0;
}

static void complain_open(struct load *l, const char *path, const struct conf_where *from, int rc)
{
    const char *why = rc == -EFBIG    ? "larger than 8M"
                      : rc == -EINVAL ? "not a regular file"
                      : rc == -EBUSY  ? "being written"
                                      : strerror(-rc);

    conf_error_add(l->reader.error, from, "cannot read %s: %s; name a file that can be read",
                   path, why);
    if (l->rc == 0)
        l->rc = rc;
}

static const char *directory_of(struct load *l, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *dir = conf_arena_text(l->reader.conf->arena, path,
                                      slash > path ? (size_t)(slash - path) : 1);

    if (dir == NULL)
        l->reader.no_memory = true;
    return dir != NULL ? dir : "/";
}

static void load_includes(struct load *l, const struct conf_reader *from, uint32_t depth);

/* Reads one file's text.  name: in messages; path: absolute. */
static void load_text(struct load *l, const char *name, const char *path, struct span text,
                      uint32_t depth)
{
    struct conf_reader *r = &l->reader;
    yaml_document_t document;

    r->file = name;
    r->directory = directory_of(l, path);
    if (r->no_memory)
        return;

    int rc = conf_yaml_load(name, text, &document, r->error);

    if (rc != 0) {
        r->no_memory |= rc == -ENOMEM;
        return;
    }
    r->document = &document;
    conf_read_file(r);
    r->document = NULL;
    yaml_document_delete(&document);
    if (r->includes_count > 0 && !r->no_memory)
        load_includes(l, r, depth);
}

/* Whether path may be read (again); files_count grows by it. */
static bool note_file(struct load *l, const char *path, const struct conf_where *from,
                      uint32_t depth)
{
    struct conf_error *error = l->reader.error;

    for (uint32_t i = 0; i < l->files_count; i++) {
        if (strcmp(l->files[i].path, path) != 0)
            continue;
        conf_error_add(error, from, "%s is %s; remove it here", path,
                       i == 0 ? "the configuration file itself" : "included twice");
        return false;
    }
    if (depth > CONF_INCLUDE_DEPTH_MAX) {
        conf_error_add(error, from, "includes are nested more than %d deep; name the file higher "
                                    "up", CONF_INCLUDE_DEPTH_MAX);
        return false;
    }
    if (l->files_count == CONF_FILES_MAX) {
        conf_error_add(error, from, "more than %d files; join some", CONF_FILES_MAX);
        return false;
    }
    l->files[l->files_count++] = (struct conf_file){
        .kind = depth == 0 ? CONF_FILE_CONFIG : CONF_FILE_INCLUDE, .path = path};
    return true;
}

static void load_file(struct load *l, const char *name, const char *path,
                      const struct conf_where *from, uint32_t depth)
{
    uint8_t *bytes = NULL;
    size_t len = 0;
    int fd = l->opener->open(l->opener->ctx, path);
    int rc = fd < 0 ? fd : slurp(fd, &bytes, &len);

    if (fd >= 0)
        close(fd);
    if (rc != 0) {
        complain_open(l, path, from, rc);
        return;
    }
    load_text(l, name, path, span_of(bytes, len), depth);
    free(bytes);
}

static void load_includes(struct load *l, const struct conf_reader *from, uint32_t depth)
{
    uint32_t n = from->includes_count;
    struct conf_text *list = conf_arena_take(from->conf->arena, n, sizeof(*list));

    if (list == NULL) {
        l->reader.no_memory = true;
        return;
    }
    /* A copy: the reader's own list is that of the file being read. */
    memcpy(list, from->includes, n * sizeof(*list));
    for (uint32_t i = 0; i < n && !l->reader.no_memory && !l->reader.error->more; i++)
        if (note_file(l, list[i].text, &list[i].where, depth + 1))
            load_file(l, list[i].text, list[i].text, &list[i].where, depth + 1);
}

/* The files as conf_files() gives them: configuration, includes, then recipients, each once. */
static int list_files(struct load *l)
{
    struct conf *conf = l->reader.conf;

    conf->files = conf_arena_take(conf->arena, l->files_count + conf->domains_count,
                                  sizeof(*conf->files));
    if (conf->files == NULL)
        return -ENOMEM;
    memcpy(conf->files, l->files, l->files_count * sizeof(*conf->files));
    conf->files_count = l->files_count;
    for (uint32_t i = 0; i < conf->domains_count; i++) {
        const char *path = conf->domains[i].recipients_file.text;

        /* Domains that share one list stand together as a rule: looking at the last is enough
         * to keep this short, and a path listed twice does no harm. */
        if (path[0] == '\0' || strcmp(conf->files[conf->files_count - 1].path, path) == 0)
            continue;
        conf->files[conf->files_count++] =
            (struct conf_file){.kind = CONF_FILE_RECIPIENTS, .path = path};
    }
    return 0;
}

static int finish(struct load *l, const char *name)
{
    struct conf_reader *r = &l->reader;

    if (!r->no_memory && r->error->count == 0) {
        r->file = name;
        conf_read_done(r);
    }
    if (!r->no_memory && r->error->count == 0)
        conf_check(r->conf, r->error);
    if (r->no_memory || (r->error->count == 0 && list_files(l) != 0)) {
        conf_error_add(r->error, NULL, "out of memory");
        return -ENOMEM;
    }
    if (r->error->count == 0)
        return 0;
    return l->rc != 0 ? l->rc : -EINVAL;
}

/* path made absolute, and name, both in the arena. */
static int name_file(struct load *l, const char *path, const char **ret_name,
                     const char **ret_path)
{
    char here[PATH_MAX];
    struct conf_arena *arena = l->reader.conf->arena;

    *ret_name = conf_arena_text(arena, path, strlen(path));
    l->reader.directory = getcwd(here, sizeof(here)) != NULL ? here : "/";
    *ret_path = conf_put_path(&l->reader, path);
    l->reader.file = *ret_name;
    return *ret_name == NULL || *ret_path == NULL ? -ENOMEM : 0;
}

static int load(const char *path, const struct span *text, const struct conf_opener *opener,
                struct conf **ret, struct conf_error *ret_error)
{
    struct load *l = calloc(1, sizeof(*l));
    struct conf *conf = calloc(1, sizeof(*conf));
    const char *name, *absolute;
    int rc = -ENOMEM;

    ret_error->count = 0;
    ret_error->more = false;
    if (conf != NULL)
        conf->arena = conf_arena_new();
    if (l != NULL && conf != NULL && conf->arena != NULL) {
        struct conf_where from = {0};

        l->opener = opener != NULL ? opener : &conf_opener_direct;
        l->reader.conf = conf;
        l->reader.error = ret_error;
        l->reader.no_memory = name_file(l, path, &name, &absolute) != 0;
        if (!l->reader.no_memory) {
            note_file(l, absolute, &from, 0);
            if (text != NULL)
                load_text(l, name, absolute, *text, 0);
            else
                load_file(l, name, absolute, &from, 0);
        }
        rc = finish(l, name);
    } else {
        conf_error_add(ret_error, NULL, "out of memory");
    }
    free(l);
    if (rc != 0) {
        conf_free(conf);
        return rc;
    }
    *ret = conf;
    return 0;
}

int conf_load(const char *path, const struct conf_opener *opener, struct conf **ret,
              struct conf_error *ret_error)
{
    return load(path, NULL, opener, ret, ret_error);
}

int conf_load_text(const char *path, struct span text, const struct conf_opener *opener,
                   struct conf **ret, struct conf_error *ret_error)
{
    if (text.len > CONF_FILE_BYTES_MAX) {
        ret_error->count = 0;
        ret_error->more = false;
        conf_error_add(ret_error, NULL, "cannot read %s: larger than 8M; name a file that can be "
                                        "read", path);
        return -EFBIG;
    }
    return load(path, &text, opener, ret, ret_error);
}

struct conf *conf_free(struct conf *conf)
{
    if (conf == NULL)
        return NULL;
    conf_arena_free(conf->arena);
    free(conf);
    return NULL;
}

const struct conf_file *conf_files(const struct conf *conf, uint32_t *ret_count)
{
    *ret_count = conf->files_count;
    return conf->files;
}
