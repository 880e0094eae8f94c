/* deliver_work.h - one attempt from packet to outcome, whatever its target is.
 *
 * Owns the packet's bytes and descriptors.  Goes on by work_event(), work_tick() and
 * work_step(); once work_is_decided() its outcome can be written (once), once work_is_over() it
 * can be freed.  An SMTP attempt may be decided some time before it is over.
 *
 * Threads: one.  Clock: passed in.  Memory: heap, one block an attempt and the packet.
 */
#ifndef DELIVER_WORK_H
#define DELIVER_WORK_H

#include "deliver_conn.h"
#include "deliver_maildir.h"

struct work_env { /* the same for all attempts */
    const char                   *instance;
    const struct client_timeouts *timeouts;
};

struct work { /* only deliver_work.c writes the fields */
    struct attempt  attempt;
    struct target   target;
    struct usec     started;
    uint32_t        fd_count;
    bool            bad_content, eightbit; /* for the figures */
    bool            is_over;
    struct verdicts verdicts;
    int             fds[ATTEMPT_SEGMENTS_MAX];
    union {
        struct conn    conn;
        struct maildir maildir;
        struct content content; /* DISCARD */
    } by;
    size_t  packet_bytes;
    uint8_t packet[];
};

/* Takes the descriptors, in every case.  NULL where the packet is not an ATTEMPT (*ret_why) or
 * memory is short; a target or descriptors that do not do give a work that is decided. */
struct work *work_new(struct span packet, const int *take_fds, uint32_t fd_count,
                      const struct work_env *env, struct usec now, const char **ret_why);

/* What to wait for: a descriptor (or -1) and events, and when work_tick() is due. */
int         work_fd(const struct work *w);
uint32_t    work_wants(const struct work *w);
struct usec work_due(const struct work *w); /* UINT64_MAX: never */
void        work_event(struct work *w, uint32_t events, struct usec now);
void        work_tick(struct work *w, struct usec now);

/* True: work_step() has something to do now. */
bool work_is_runnable(const struct work *w);
/* True: it waits for a sync of its Maildir: work_sync(), then work_synced() for every work
 * that waits for the same (work_same_sync). */
bool work_step(struct work *w);
int  work_sync(struct work *w);
bool work_same_sync(const struct work *a, const struct work *b);
void work_synced(struct work *w, int rc);

static inline bool work_is_decided(const struct work *w)
{
    return w->verdicts.undecided == 0;
}

static inline bool work_is_over(const struct work *w)
{
    return w->is_over;
}

/* The OUTCOME packet: bytes written, 0 where room is too small.  Decided works only. */
size_t work_outcome(const struct work *w, struct usec now, uint8_t *out, size_t room);

/* "host[address]:port", or "" where there is none. */
#define WORK_REMOTE_MAX 160u
struct span work_remote(const struct work *w, char out[WORK_REMOTE_MAX]);

struct work *work_free(struct work *w);

#endif
