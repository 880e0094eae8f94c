/* deliver_maildir.h - a message into a Maildir: tmp/, fsync, rename into new/, fsync of new/.
 *
 * One file for each recipient: "Return-Path: <sender>", "Delivered-To: recipient", then the
 * content, its CRLF line ends as LF.  Delivered means: file and directory entry are on stable
 * storage, and the content's checksum was that of the queue before the file got its name.
 *
 * The name is SECONDS.IDrHASH.INSTANCE: arrival time, message id, a hash of the recipient's
 * address.  So it does not depend on when, by which process or in which company of other
 * recipients it is delivered: a second delivery of the same message to the same recipient
 * (after a crash between our rename and the queue's note of it) replaces the file in new/ by an
 * equal one instead of adding one.  Where a mail reader has moved the file to cur/ in between, the
 * second copy stays.  The same address twice in one message is one file.  The name in tmp/ is the
 * same; what a crash leaves there is removed when the message is delivered again.
 *
 * Missing directories (the Maildir and its tmp, new, cur; not those above) are made, mode 0700.
 * Whatever the file system refuses is deferred, with its words.
 *
 * Work is cut into steps so that one large message does not hold up the others; a step still
 * waits for the disk in fsync.  Threads: one.  Memory: the struct.
 */
#ifndef DELIVER_MAILDIR_H
#define DELIVER_MAILDIR_H

#include "deliver_content.h"
#include "deliver_verdict.h"

#define MAILDIR_NAME_MAX 200u
#define MAILDIR_STEP_BYTES (1024u * 1024u)

enum maildir_next {
    MAILDIR_MORE, /* step again */
    MAILDIR_SYNC, /* files are in new/: maildir_sync(), then maildir_finish() */
    MAILDIR_OVER  /* every recipient has its verdict */
};

struct maildir { /* only deliver_maildir.c writes the fields */
    const struct attempt *attempt;
    const int            *fds;
    struct verdicts      *verdicts;
    struct span           path;
    const char           *instance;
    struct content        content;
    int                   dir_fd, file_fd;
    uint32_t              recipient;
    bool                  cr;     /* a CR was read, its LF may follow */
    bool                  bad_content;
    char                  name[MAILDIR_NAME_MAX];
    uint8_t               in_new[ATTEMPT_RECIPIENTS_MAX];
};

/* Borrows all until maildir_done(). */
void maildir_start(struct maildir *m, const struct attempt *attempt, const int *fds,
                   struct span path, const char *instance, struct verdicts *verdicts);
enum maildir_next maildir_step(struct maildir *m);

/* After MAILDIR_SYNC: makes the new directory entries durable.  0 or -errno; serves every
 * delivery to this path that is at MAILDIR_SYNC now. */
int  maildir_sync(struct maildir *m);
void maildir_finish(struct maildir *m, int sync_rc);

/* At any time: closes and removes what is unfinished. */
void maildir_done(struct maildir *m);

/* True if a message's content could not be read back whole. */
static inline bool maildir_bad_content(const struct maildir *m)
{
    return m->bad_content;
}

#endif
