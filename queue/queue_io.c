/* queue_io.c - the real file system under the log: openat and io_uring; see queue_io.h. */
#include "queue_io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <poll.h>
#include <stdio.h> /* renameat2 */
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base_must.h"

struct slot {
    bool busy;
    int waiting; /* completions still to come: write and, with sync, fsync */
    size_t expected;
    int result;
};

struct io_real {
    struct queue_io io;
    struct io_uring ring;
    int directory, lock;
    bool direct;
    struct slot slots[IO_SLOTS];
};

void io_wait(const struct queue_io *io, int milliseconds)
{
    struct pollfd wait = {.fd = io->event_fd, .events = POLLIN};
    uint64_t events;

    if (io->event_fd < 0)
        return;
    if (poll(&wait, 1, milliseconds) == 1)
        (void)!read(io->event_fd, &events, sizeof(events));
}

static struct io_real *real_of(struct queue_io *io)
{
    return (struct io_real *)(void *)((uint8_t *)io - offsetof(struct io_real, io));
}

static int real_open(struct queue_io *io, const char *name, enum io_open how)
{
    struct io_real *r = real_of(io);
    int flags = O_CLOEXEC | O_NOFOLLOW | (how == IO_READ ? O_RDONLY : O_RDWR);
    int fd;

    if (how == IO_CREATE)
        flags |= O_CREAT | O_EXCL;
    if (how == IO_READ || !r->direct) {
        fd = openat(r->directory, name, flags, 0600);
        return fd < 0 ? -errno : fd;
    }
    fd = openat(r->directory, name, flags | O_DIRECT, 0600);
    if (fd < 0 && errno == EINVAL) { /* tmpfs and the like: from here on through the cache */
        r->direct = false;
        if (how == IO_CREATE)
            (void)unlinkat(r->directory, name, 0);
        fd = openat(r->directory, name, flags, 0600);
    }
    return fd < 0 ? -errno : fd;
}

static void real_close(struct queue_io *io, int file)
{
    (void)io;
    (void)close(file);
}

static int64_t real_read(struct queue_io *io, int file, void *out, size_t n, uint64_t offset)
{
    size_t done = 0;

    (void)io;
    while (done < n) {
        ssize_t got = pread(file, (uint8_t *)out + done, n - done, (off_t)(offset + done));

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            break;
        done += (size_t)got;
    }
    return (int64_t)done;
}

static int real_resize(struct queue_io *io, int file, uint64_t bytes)
{
    (void)io;
    return ftruncate(file, (off_t)bytes) == 0 ? 0 : -errno;
}

static int real_rename(struct queue_io *io, const char *from, const char *to)
{
    int d = real_of(io)->directory;

    return renameat2(d, from, d, to, RENAME_NOREPLACE) == 0 ? 0 : -errno;
}

static int real_unlink(struct queue_io *io, const char *name)
{
    return unlinkat(real_of(io)->directory, name, 0) == 0 ? 0 : -errno;
}

static int real_sync_directory(struct queue_io *io)
{
    return fsync(real_of(io)->directory) == 0 ? 0 : -errno;
}

static void describe(int directory, struct io_entry *e)
{
    struct stat st;

    e->bad = NULL;
    e->bytes = 0;
    if (fstatat(directory, e->name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        e->bad = "cannot be examined";
    else if (!S_ISREG(st.st_mode))
        e->bad = "is not a regular file";
    else if (st.st_uid != geteuid())
        e->bad = "belongs to another user";
    else if ((st.st_mode & 077) != 0)
        e->bad = "can be reached by other users; chmod 600 it";
    else if (st.st_nlink != 1)
        e->bad = "has another name (hard link)";
    else
        e->bytes = (uint64_t)st.st_size;
}

static int real_list(struct queue_io *io, struct io_entry **ret, size_t *ret_n)
{
    int directory = real_of(io)->directory;
    int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct io_entry *entries = NULL;
    size_t n = 0, cap = 0;
    struct dirent *d;

    if (dir == NULL)
        return -errno;
    while ((d = readdir(dir)) != NULL) {
        if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
            continue;
        if (n == cap) {
            struct io_entry *more = realloc(entries, (cap = cap * 2 + 64) * sizeof(*entries));

            if (more == NULL) {
                free(entries);
                closedir(dir);
                return -ENOMEM;
            }
            entries = more;
        }
        memset(&entries[n], 0, sizeof(entries[n]));
        memcpy(entries[n].name, d->d_name, strnlen(d->d_name, sizeof(entries[n].name) - 1));
        describe(directory, &entries[n++]);
    }
    closedir(dir);
    *ret = entries;
    *ret_n = n;
    return 0;
}

static int real_free_bytes(struct queue_io *io, uint64_t *ret)
{
    struct statvfs st;

    if (fstatvfs(real_of(io)->directory, &st) != 0)
        return -errno;
    *ret = (uint64_t)st.f_bavail * (uint64_t)st.f_frsize;
    return 0;
}

/* All or nothing: a write whose fsync did not follow would be believed durable.  The kernel
 * refuses a submission only when it is out of memory; then a fresh process is the better one. */
static int submit(struct io_real *r, int wanted)
{
    for (unsigned tries = 0; wanted > 0; tries++) {
        int rc = io_uring_submit(&r->ring);

        if (rc > 0)
            wanted -= rc;
        else
            must(tries < 1000 && (rc == 0 || rc == -EINTR || rc == -EAGAIN || rc == -EBUSY));
    }
    return 0;
}

static int real_start(struct queue_io *io, enum io_slot number, int file, const void *bytes,
                      size_t n, uint64_t offset, bool sync)
{
    struct io_real *r = real_of(io);
    struct slot *slot = &r->slots[number];
    struct io_uring_sqe *sqe;

    must(!slot->busy);
    *slot = (struct slot){.busy = true, .waiting = sync ? 2 : 1, .expected = n};
    sqe = io_uring_get_sqe(&r->ring);
    must(sqe != NULL); /* two slots of two entries in a ring of eight */
    io_uring_prep_write(sqe, file, bytes, (unsigned)n, offset);
    io_uring_sqe_set_data64(sqe, (uint64_t)number << 1);
    if (sync) {
        io_uring_sqe_set_flags(sqe, IOSQE_IO_LINK);
        sqe = io_uring_get_sqe(&r->ring);
        must(sqe != NULL);
        io_uring_prep_fsync(sqe, file, IORING_FSYNC_DATASYNC);
        io_uring_sqe_set_data64(sqe, (uint64_t)number << 1 | 1);
    }
    return submit(r, sync ? 2 : 1);
}

static void take(struct io_real *r, const struct io_uring_cqe *cqe)
{
    uint64_t data = io_uring_cqe_get_data64(cqe);
    struct slot *slot = &r->slots[(data >> 1) % IO_SLOTS];
    bool fsync_part = (data & 1) != 0;

    slot->waiting--;
    /* A short write breaks the link: the fsync then says ECANCELED, which is not the reason. */
    if (cqe->res < 0) {
        if (slot->result == 0 && !(fsync_part && cqe->res == -ECANCELED))
            slot->result = cqe->res;
    } else if (!fsync_part && (size_t)cqe->res != slot->expected && slot->result == 0) {
        slot->result = -EIO;
    }
    if (fsync_part && cqe->res == -ECANCELED && slot->result == 0)
        slot->result = -EIO;
}

static int real_reap(struct queue_io *io, enum io_slot number, int *ret_result)
{
    struct io_real *r = real_of(io);
    struct slot *slot = &r->slots[number];
    struct io_uring_cqe *cqe;

    while (io_uring_peek_cqe(&r->ring, &cqe) == 0) {
        take(r, cqe);
        io_uring_cqe_seen(&r->ring, cqe);
    }
    if (!slot->busy || slot->waiting > 0)
        return 0;
    slot->busy = false;
    *ret_result = slot->result;
    return 1;
}

static const char *check_directory(int fd)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return "the queue directory cannot be examined";
    if (st.st_uid != geteuid())
        return "the queue directory belongs to another user; chown it to runtime.user";
    if ((st.st_mode & 07777) != 0700)
        return "the queue directory's mode is not 0700; chmod 700 it";
    return NULL;
}

static int open_parts(struct io_real *r, const char *directory, const char **ret_why)
{
    int rc;

    r->directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (r->directory < 0) {
        *ret_why = "the queue directory cannot be opened";
        return -errno;
    }
    *ret_why = check_directory(r->directory);
    if (*ret_why != NULL)
        return -EPERM;
    r->lock = openat(r->directory, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (r->lock < 0) {
        *ret_why = "the queue directory's lock file cannot be opened";
        return -errno;
    }
    if (flock(r->lock, LOCK_EX | LOCK_NB) != 0) {
        *ret_why = "another queue uses this directory";
        return -EBUSY;
    }
    *ret_why = "io_uring is not available";
    rc = io_uring_queue_init(8, &r->ring, IORING_SETUP_CLAMP);
    if (rc < 0)
        return rc;
    r->io.event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    rc = r->io.event_fd < 0 ? -errno : io_uring_register_eventfd(&r->ring, r->io.event_fd);
    if (rc < 0)
        io_uring_queue_exit(&r->ring);
    return rc;
}

int io_open(const char *directory, bool direct, struct io_real **ret, const char **ret_why)
{
    struct io_real *r = calloc(1, sizeof(*r));
    int rc;

    *ret_why = "out of memory";
    if (r == NULL)
        return -ENOMEM;
    r->io = (struct queue_io){.open = real_open,
                              .close = real_close,
                              .read = real_read,
                              .resize = real_resize,
                              .rename = real_rename,
                              .unlink = real_unlink,
                              .sync_directory = real_sync_directory,
                              .list = real_list,
                              .free_bytes = real_free_bytes,
                              .start = real_start,
                              .reap = real_reap,
                              .event_fd = -1};
    r->directory = r->lock = -1;
    r->direct = direct;
    rc = open_parts(r, directory, ret_why);
    if (rc < 0) {
        if (r->io.event_fd >= 0)
            (void)close(r->io.event_fd);
        if (r->lock >= 0)
            (void)close(r->lock);
        if (r->directory >= 0)
            (void)close(r->directory);
        free(r);
        return rc;
    }
    *ret = r;
    return 0;
}

struct queue_io *io_of(struct io_real *real)
{
    return &real->io;
}

struct io_real *io_close(struct io_real *real)
{
    if (real == NULL)
        return NULL;
    for (unsigned i = 0; i < IO_SLOTS; i++)
        while (real->slots[i].waiting > 0) {
            struct io_uring_cqe *cqe;

            if (io_uring_wait_cqe(&real->ring, &cqe) == 0) {
                take(real, cqe);
                io_uring_cqe_seen(&real->ring, cqe);
            }
        }
    io_uring_queue_exit(&real->ring);
    (void)close(real->io.event_fd);
    (void)close(real->lock);
    (void)close(real->directory);
    free(real);
    return NULL;
}
