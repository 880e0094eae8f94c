/* queue_io.h - the file system as the log sees it: one directory, named files, one write in
 * flight per slot.  Behind a struct so that tests can fail, cut and crash at every call.
 *
 * Synchronous calls return 0 or more, or -errno.  Files are descriptors of the implementation;
 * the real one's are the kernel's, so that they can ride on an ATTEMPT packet.
 */
#ifndef QUEUE_IO_H
#define QUEUE_IO_H

#include "base_types.h"

#define IO_NAME_MAX 32

enum io_open { IO_READ, IO_WRITE, IO_CREATE }; /* CREATE: for writing, must not exist */
enum io_slot { IO_COMMIT, IO_FILL, IO_SLOTS };

struct io_entry {
    char        name[256];
    uint64_t    bytes;
    const char *bad; /* static text: why it must not be touched (type, owner, mode), or NULL */
};

struct queue_io {
    int  (*open)(struct queue_io *io, const char *name, enum io_open how);
    void (*close)(struct queue_io *io, int file);
    /* Bytes read, fewer only at the end of the file. */
    int64_t (*read)(struct queue_io *io, int file, void *out, size_t n, uint64_t offset);
    int  (*resize)(struct queue_io *io, int file, uint64_t bytes); /* sparse */
    int  (*rename)(struct queue_io *io, const char *from, const char *to);
    int  (*unlink)(struct queue_io *io, const char *name);
    int  (*sync_directory)(struct queue_io *io);
    int  (*list)(struct queue_io *io, struct io_entry **ret, size_t *ret_n); /* free() it */
    int  (*free_bytes)(struct queue_io *io, uint64_t *ret);
    /* Starts a write of n bytes, then, with sync, fdatasync.  n, offset and bytes are multiples
     * of 4096; bytes is borrowed until the slot has been reaped. */
    int  (*start)(struct queue_io *io, enum io_slot slot, int file, const void *bytes, size_t n,
                  uint64_t offset, bool sync);
    /* 1 and *ret_result: 0 when all is written (and synced), or -errno; 0: not yet. */
    int  (*reap)(struct queue_io *io, enum io_slot slot, int *ret_result);
    int  event_fd; /* readable when a slot may have finished; -1: poll */
};

/* Waits until a slot may have finished, at most that long. */
void io_wait(const struct queue_io *io, int milliseconds);

struct io_real;

/* Opens the directory: it must be ours, mode 0700, a directory and no link, and not in use by
 * another queue (lock file).  direct: O_DIRECT where the file system allows it.
 * 0; or -errno and *ret_why a static text. */
int              io_open(const char *directory, bool direct, struct io_real **ret,
                         const char **ret_why);
struct queue_io *io_of(struct io_real *real);
struct io_real  *io_close(struct io_real *real);

#endif
