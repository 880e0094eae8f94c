/* queue_disk.h - a disk for the queue's tests: files in memory that forget what was not synced.
 *
 * What a write puts down is first only in the cache; a sync makes the file's cache durable.  At
 * a crash each 512-byte sector that is not durable is old or new by the dice, a write in flight
 * included, and so is each name that the directory was not synced for.  Every call is numbered:
 * one of them can be made to fail, or to be the last before the crash. */
#ifndef QUEUE_DISK_H
#define QUEUE_DISK_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base_rand.h"
#include "queue_io.h"

#define DISK_FILES  256
#define DISK_SECTOR 512u

struct disk_file {
    char name[64], durable_name[64]; /* "": none */
    uint8_t *cache, *durable;
    uint64_t bytes;
    int opens;
    bool gone; /* unlinked, kept while open or until the name's end is durable */
    const char *bad;
};

struct disk_write {
    bool busy, sync;
    int file;
    const void *bytes;
    size_t n;
    uint64_t offset;
    int delay; /* reaps until it is done */
};

struct disk {
    struct queue_io io;
    struct disk_file files[DISK_FILES];
    struct disk_write writes[IO_SLOTS];
    struct rand rand;
    uint64_t calls, fail_call, crash_call; /* 0: never */
    uint64_t fail_until;                   /* calls fail_call..fail_until fail */
    int fail_error;
    bool crashed, slow, only_writes_fail;
    uint64_t capacity, used;
    uint64_t synced; /* syncs done */
};

static inline struct disk *disk_of(struct queue_io *io)
{
    return (struct disk *)(void *)((uint8_t *)io - offsetof(struct disk, io));
}

/* 0, or the error this call must return. */
static inline int disk_call(struct disk *d, bool is_write)
{
    d->calls++;
    if (d->crash_call != 0 && d->calls >= d->crash_call)
        d->crashed = true;
    if (d->crashed)
        return -EIO;
    if (d->fail_call != 0 && d->calls >= d->fail_call && d->calls <= d->fail_until &&
        (is_write || !d->only_writes_fail))
        return d->fail_error;
    return 0;
}

static inline int disk_find(struct disk *d, const char *name)
{
    for (int i = 0; i < DISK_FILES; i++)
        if (!d->files[i].gone && strcmp(d->files[i].name, name) == 0 && name[0] != '\0')
            return i;
    return -1;
}

static inline int disk_put(struct disk *d, const char *name, const void *bytes, uint64_t n)
{
    for (int i = 0; i < DISK_FILES; i++) {
        struct disk_file *f = &d->files[i];

        if (f->name[0] != '\0' || f->durable_name[0] != '\0' || f->opens > 0)
            continue;
        snprintf(f->name, sizeof(f->name), "%s", name);
        f->durable_name[0] = '\0';
        f->gone = false;
        f->bad = NULL;
        f->bytes = n;
        f->cache = calloc(1, n + 1);
        f->durable = calloc(1, n + 1);
        if (n > 0) {
            memcpy(f->cache, bytes, n);
            memcpy(f->durable, bytes, n);
        }
        return i;
    }
    return -1;
}

static inline void disk_free_file(struct disk_file *f)
{
    free(f->cache);
    free(f->durable);
    memset(f, 0, sizeof(*f));
}

static inline void disk_grow(struct disk_file *f, uint64_t bytes)
{
    if (bytes <= f->bytes)
        return;
    f->cache = realloc(f->cache, bytes + 1);
    f->durable = realloc(f->durable, bytes + 1);
    memset(f->cache + f->bytes, 0, bytes - f->bytes);
    memset(f->durable + f->bytes, 0, bytes - f->bytes);
    f->bytes = bytes;
}

static inline uint64_t disk_used(const struct disk *d)
{
    uint64_t n = 0;

    for (int i = 0; i < DISK_FILES; i++)
        if (d->files[i].name[0] != '\0' && !d->files[i].gone)
            n += d->files[i].bytes;
    return n;
}

static inline int disk_io_open(struct queue_io *io, const char *name, enum io_open how)
{
    struct disk *d = disk_of(io);
    int rc = disk_call(d, false), i;

    if (rc < 0)
        return rc;
    i = disk_find(d, name);
    if (how == IO_CREATE) {
        if (i >= 0)
            return -EEXIST;
        i = disk_put(d, name, "", 0);
    }
    if (i < 0)
        return how == IO_CREATE ? -ENOSPC : -ENOENT;
    d->files[i].opens++;
    return i + 1000;
}

static inline void disk_io_close(struct queue_io *io, int file)
{
    struct disk_file *f = &disk_of(io)->files[file - 1000];

    f->opens--;
    if (f->gone && f->opens == 0 && f->durable_name[0] == '\0')
        disk_free_file(f);
}

static inline int64_t disk_io_read(struct queue_io *io, int file, void *out, size_t n,
                                   uint64_t offset)
{
    struct disk *d = disk_of(io);
    struct disk_file *f = &d->files[file - 1000];
    int rc = disk_call(d, false);

    if (rc < 0)
        return rc;
    if (offset >= f->bytes)
        return 0;
    if (n > f->bytes - offset)
        n = f->bytes - offset;
    memcpy(out, f->cache + offset, n);
    return (int64_t)n;
}

static inline int disk_io_resize(struct queue_io *io, int file, uint64_t bytes)
{
    struct disk *d = disk_of(io);
    int rc = disk_call(d, true);

    if (rc < 0)
        return rc;
    if (d->capacity != 0 && disk_used(d) + bytes > d->capacity)
        return -ENOSPC;
    disk_grow(&d->files[file - 1000], bytes);
    return 0;
}

static inline int disk_io_rename(struct queue_io *io, const char *from, const char *to)
{
    struct disk *d = disk_of(io);
    int rc = disk_call(d, true), i = disk_find(d, from);

    if (rc < 0)
        return rc;
    if (i < 0 || disk_find(d, to) >= 0)
        return i < 0 ? -ENOENT : -EEXIST;
    snprintf(d->files[i].name, sizeof(d->files[i].name), "%s", to);
    return 0;
}

static inline int disk_io_unlink(struct queue_io *io, const char *name)
{
    struct disk *d = disk_of(io);
    int rc = disk_call(d, true), i = disk_find(d, name);

    if (rc < 0)
        return rc;
    if (i < 0)
        return -ENOENT;
    d->files[i].gone = true;
    if (d->files[i].opens == 0 && d->files[i].durable_name[0] == '\0')
        disk_free_file(&d->files[i]);
    return 0;
}

static inline int disk_io_sync_directory(struct queue_io *io)
{
    struct disk *d = disk_of(io);
    int rc = disk_call(d, true);

    if (rc < 0)
        return rc;
    for (int i = 0; i < DISK_FILES; i++) {
        struct disk_file *f = &d->files[i];

        snprintf(f->durable_name, sizeof(f->durable_name), "%s", f->gone ? "" : f->name);
        if (f->gone && f->opens == 0)
            disk_free_file(f);
    }
    return 0;
}

static inline int disk_io_list(struct queue_io *io, struct io_entry **ret, size_t *ret_n)
{
    struct disk *d = disk_of(io);
    int rc = disk_call(d, false);
    size_t n = 0;

    if (rc < 0)
        return rc;
    *ret = calloc(DISK_FILES, sizeof(**ret));
    for (int i = 0; i < DISK_FILES; i++) {
        struct disk_file *f = &d->files[i];

        if (f->name[0] == '\0' || f->gone)
            continue;
        snprintf((*ret)[n].name, sizeof((*ret)[n].name), "%s", f->name);
        (*ret)[n].bytes = f->bytes;
        (*ret)[n++].bad = f->bad;
    }
    *ret_n = n;
    return 0;
}

static inline int disk_io_free_bytes(struct queue_io *io, uint64_t *ret)
{
    struct disk *d = disk_of(io);
    uint64_t used = disk_used(d);

    *ret = d->capacity == 0 ? UINT64_MAX / 4 : d->capacity > used ? d->capacity - used : 0;
    return 0;
}

static inline int disk_io_start(struct queue_io *io, enum io_slot slot, int file, const void *bytes,
                                size_t n, uint64_t offset, bool sync)
{
    struct disk *d = disk_of(io);
    struct disk_write *w = &d->writes[slot];

    if (w->busy || n % 4096 != 0 || offset % 4096 != 0)
        abort();
    *w = (struct disk_write){.busy = true,
                             .sync = sync,
                             .file = file - 1000,
                             .bytes = bytes,
                             .n = n,
                             .offset = offset,
                             .delay = d->slow ? (int)rand_below(&d->rand, 4) : 0};
    return 0;
}

static inline int disk_io_reap(struct queue_io *io, enum io_slot slot, int *ret_result)
{
    struct disk *d = disk_of(io);
    struct disk_write *w = &d->writes[slot];
    struct disk_file *f;
    uint64_t grows;

    if (!w->busy || d->crashed)
        return 0;
    if (w->delay-- > 0)
        return 0;
    f = &d->files[w->file];
    *ret_result = disk_call(d, true);
    if (d->crashed)
        return 0; /* it stays in flight for ever */
    w->busy = false;
    grows = w->offset + w->n > f->bytes ? w->offset + w->n - f->bytes : 0;
    if (*ret_result == 0 && d->capacity != 0 && disk_used(d) + grows > d->capacity)
        *ret_result = -ENOSPC;
    if (*ret_result != 0)
        return 1;
    disk_grow(f, w->offset + w->n);
    if (w->n > 0)
        memcpy(f->cache + w->offset, w->bytes, w->n);
    if (w->sync) {
        *ret_result = disk_call(d, true); /* the sync may fail alone */
        if (d->crashed) {
            w->busy = true;
            w->delay = 0;
            return 0;
        }
        if (*ret_result == 0) {
            if (f->bytes > 0)
                memcpy(f->durable, f->cache, f->bytes);
            d->synced++;
        }
    }
    return 1;
}

static inline void disk_init(struct disk *d, uint64_t seed)
{
    memset(d, 0, sizeof(*d));
    rand_seed(&d->rand, seed, 9);
    d->io = (struct queue_io){.open = disk_io_open,
                              .close = disk_io_close,
                              .read = disk_io_read,
                              .resize = disk_io_resize,
                              .rename = disk_io_rename,
                              .unlink = disk_io_unlink,
                              .sync_directory = disk_io_sync_directory,
                              .list = disk_io_list,
                              .free_bytes = disk_io_free_bytes,
                              .start = disk_io_start,
                              .reap = disk_io_reap,
                              .event_fd = -1};
}

static inline void disk_done(struct disk *d)
{
    for (int i = 0; i < DISK_FILES; i++)
        disk_free_file(&d->files[i]);
}

/* What the next incarnation finds.  Call while the crashed queue's buffers are still there. */
static inline void disk_crash(struct disk *d)
{
    for (int s = 0; s < IO_SLOTS; s++) {
        struct disk_write *w = &d->writes[s];
        struct disk_file *f = &d->files[w->file];

        if (w->busy && w->offset + w->n <= f->bytes)
            memcpy(f->cache + w->offset, w->bytes, w->n); /* sector dice below */
        w->busy = false;
    }
    for (int i = 0; i < DISK_FILES; i++) {
        struct disk_file *f = &d->files[i];
        bool keep_new = rand_below(&d->rand, 2) == 0;

        for (uint64_t at = 0; at < f->bytes; at += DISK_SECTOR) {
            uint64_t n = f->bytes - at < DISK_SECTOR ? f->bytes - at : DISK_SECTOR;

            if (memcmp(f->cache + at, f->durable + at, n) == 0)
                continue;
            if (rand_below(&d->rand, 2) == 0)
                memcpy(f->durable + at, f->cache + at, n);
            else
                memcpy(f->cache + at, f->durable + at, n);
        }
        f->opens = 0;
        if (strcmp(f->gone ? "" : f->name, f->durable_name) != 0 && !keep_new) {
            snprintf(f->name, sizeof(f->name), "%s", f->durable_name);
            f->gone = false;
        }
        if (f->gone || f->name[0] == '\0') {
            disk_free_file(f);
            continue;
        }
        snprintf(f->durable_name, sizeof(f->durable_name), "%s", f->name);
    }
    d->crashed = false;
    d->crash_call = d->fail_call = 0;
}

#endif
