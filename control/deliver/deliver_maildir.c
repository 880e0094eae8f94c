/* deliver_maildir.c - see deliver_maildir.h */
#include "deliver_maildir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base_hash.h"
#include "deliver_target.h"
#include "ipc_id.h"

#define READ_BYTES 32768u

void maildir_start(struct maildir *m, const struct attempt *attempt, const int *fds,
                   struct span path, const char *instance, struct verdicts *verdicts)
{
    memset(m, 0, sizeof(*m));
    m->attempt = attempt;
    m->fds = fds;
    m->path = path;
    m->instance = instance;
    m->verdicts = verdicts;
    m->dir_fd = m->file_fd = -1;
}

/* Deferred, in words: to one recipient, or to all where one is UINT32_MAX. */
static void refuse(struct maildir *m, uint32_t one, const char *what, int error)
{
    uint32_t status = error == ENOSPC || error == EDQUOT ? STATUS(4, 2, 2) : STATUS(4, 3, 0);
    char text[OUTCOME_TEXT_MAX];

    snprintf(text, sizeof(text), "%s %.*s: %s", what, (int)(m->path.len < 200 ? m->path.len : 200),
             (const char *)m->path.ptr, strerror(error));
    if (one == UINT32_MAX)
        verdicts_give(m->verdicts, ATTEMPT_DEFERRED, status, text);
    else
        verdict_give(m->verdicts, one, ATTEMPT_DEFERRED, status, text);
}

/* ---- the directory ---- */

static int dir_open(struct maildir *m)
{
    static const char *const inside[] = {"tmp", "new", "cur"};
    char path[TARGET_PATH_MAX + 1];
    int fd;

    if (m->path.len > TARGET_PATH_MAX)
        return -ENAMETOOLONG;
    memcpy(path, m->path.ptr, m->path.len);
    path[m->path.len] = '\0';
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return -errno;
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    for (size_t i = 0; i < ARRAY_LEN(inside); i++) {
        if (mkdirat(fd, inside[i], 0700) != 0 && errno != EEXIST) {
            int rc = -errno;

            close(fd);
            return rc;
        }
    }
    m->dir_fd = fd;
    return 0;
}

int maildir_sync(struct maildir *m)
{
    int fd = openat(m->dir_fd, "new", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd < 0 || fsync(fd) != 0 ? -errno : 0;

    if (fd >= 0)
        close(fd);
    return rc;
}

/* ---- one file ---- */

/* The instance may be any host name; / and : must not stand in a Maildir name. */
static void name_make(struct maildir *m)
{
    static const uint8_t key[HASH_KEY_BYTES] = "the recipient";
    uint8_t hash[16];
    char id[ID_TEXT_LEN + 1], hex[2 * sizeof(hash) + 1];

    hash_sip128(key, m->attempt->recipients[m->recipient], hash);
    for (size_t i = 0; i < sizeof(hash); i++)
        snprintf(hex + 2 * i, 3, "%02x", hash[i]);
    id_text(m->attempt->head.message, id);
    snprintf(m->name, sizeof(m->name), "%llu.%sr%s.%.120s",
             (unsigned long long)(m->attempt->head.arrived_us / 1000000), id, hex, m->instance);
    for (char *c = m->name; *c != '\0'; c++)
        if (*c == '/' || *c == ':' || (unsigned char)*c <= ' ')
            *c = '_';
}

static void path_make(const struct maildir *m, const char *inside, char out[MAILDIR_NAME_MAX + 8])
{
    snprintf(out, MAILDIR_NAME_MAX + 8, "%s/%s", inside, m->name);
}

static int write_all(int fd, const uint8_t *bytes, size_t n)
{
    while (n > 0) {
        ssize_t wrote = write(fd, bytes, n);

        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return wrote < 0 ? -errno : -EIO;
        bytes += wrote;
        n -= (size_t)wrote;
    }
    return 0;
}

/* Appends s with control characters shown as '?': an address must not begin a header line. */
static size_t header_add(uint8_t *out, struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        out[i] = s.ptr[i] < 0x20 || s.ptr[i] == 0x7f ? '?' : s.ptr[i];
    return s.len;
}

static int header_write(struct maildir *m)
{
    static const struct span parts[] = {
        {(const uint8_t *)"Return-Path: <",    14},
        {(const uint8_t *)">\nDelivered-To: ", 16},
        {(const uint8_t *)"\n",                1 }
    };
    struct span values[] = {m->attempt->sender, m->attempt->recipients[m->recipient]};
    uint8_t header[4096];
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        memcpy(header + n, parts[i].ptr, parts[i].len);
        n += parts[i].len;
        if (i == ARRAY_LEN(values))
            break;
        if (values[i].len > 1024)
            return -ENAMETOOLONG;
        n += header_add(header + n, values[i]);
    }
    return write_all(m->file_fd, header, n);
}

static int file_open(struct maildir *m)
{
    char path[MAILDIR_NAME_MAX + 8];
    const int how = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;

    name_make(m);
    path_make(m, "tmp", path);
    m->file_fd = openat(m->dir_fd, path, how, 0600);
    if (m->file_fd < 0 && errno == EEXIST && unlinkat(m->dir_fd, path, 0) == 0)
        m->file_fd = openat(m->dir_fd, path, how, 0600);
    if (m->file_fd < 0)
        return -errno;
    m->cr = false;
    content_start(&m->content, m->attempt, m->fds);
    return header_write(m);
}

static void file_drop(struct maildir *m)
{
    char path[MAILDIR_NAME_MAX + 8];

    if (m->file_fd < 0)
        return;
    path_make(m, "tmp", path);
    unlinkat(m->dir_fd, path, 0);
    close(m->file_fd);
    m->file_fd = -1;
}

static int file_finish(struct maildir *m)
{
    char from[MAILDIR_NAME_MAX + 8], to[MAILDIR_NAME_MAX + 8];

    int rc = m->cr ? write_all(m->file_fd, (const uint8_t *)"\r", 1) : 0;

    if (rc == 0 && fsync(m->file_fd) != 0)
        rc = -errno;
    if (rc != 0)
        return rc;
    path_make(m, "tmp", from);
    path_make(m, "new", to);
    if (renameat(m->dir_fd, from, m->dir_fd, to) != 0)
        return -errno;
    close(m->file_fd);
    m->file_fd = -1;
    m->in_new[m->recipient] = 1;
    return 0;
}

/* CRLF becomes LF; a CR without LF stays what it is.  out holds in_bytes + 1. */
static size_t lf_convert(bool *cr, const uint8_t *in, size_t in_bytes, uint8_t *out)
{
    size_t n = 0;

    for (size_t i = 0; i < in_bytes; i++) {
        if (*cr && in[i] != '\n')
            out[n++] = '\r';
        *cr = in[i] == '\r';
        if (!*cr)
            out[n++] = in[i];
    }
    return n;
}

/* One piece of content.  1: more; 0: the file is in new/; -errno. */
static int file_step(struct maildir *m, size_t *ret_bytes)
{
    uint8_t in[READ_BYTES], out[READ_BYTES + 1];
    ssize_t n = content_read(&m->content, in, sizeof(in));
    int rc;

    *ret_bytes = n > 0 ? (size_t)n : 0;
    if (n < 0) {
        m->bad_content = true;
        return (int)n;
    }
    if (n == 0)
        return file_finish(m);
    rc = write_all(m->file_fd, out, lf_convert(&m->cr, in, (size_t)n, out));
    return rc < 0 ? rc : 1;
}

/* ---- the whole ---- */

static enum maildir_next files_over(struct maildir *m)
{
    for (uint32_t i = 0; i < m->verdicts->count; i++)
        if (m->in_new[i])
            return MAILDIR_SYNC;
    return MAILDIR_OVER;
}

/* The content is no better for the next recipient. */
static void content_refuse(struct maildir *m)
{
    for (uint32_t i = m->recipient; i < m->verdicts->count; i++)
        verdict_give(m->verdicts, i, ATTEMPT_DEFERRED, STATUS(4, 3, 0),
                     "the stored message cannot be read back whole");
    m->recipient = m->verdicts->count;
}

enum maildir_next maildir_step(struct maildir *m)
{
    size_t done = 0, bytes = 0;
    int rc;

    if (m->dir_fd < 0 && (rc = dir_open(m)) != 0) {
        refuse(m, UINT32_MAX, "cannot use the Maildir", -rc);
        return MAILDIR_OVER;
    }
    while (m->recipient < m->verdicts->count && done < MAILDIR_STEP_BYTES) {
        rc = m->file_fd < 0 ? file_open(m) : 0;
        if (rc == 0)
            rc = file_step(m, &bytes);
        done += bytes + READ_BYTES / 8; /* a small file is not free */
        if (rc == 1)
            continue;
        if (rc < 0) {
            file_drop(m);
            if (m->bad_content) {
                content_refuse(m);
                break;
            }
            refuse(m, m->recipient, "cannot write into the Maildir", -rc);
        }
        m->recipient++;
    }
    return m->recipient < m->verdicts->count ? MAILDIR_MORE : files_over(m);
}

void maildir_finish(struct maildir *m, int sync_rc)
{
    if (sync_rc != 0) {
        refuse(m, UINT32_MAX, "cannot sync the Maildir", -sync_rc);
        return;
    }
    for (uint32_t i = 0; i < m->verdicts->count; i++)
        if (m->in_new[i])
            verdict_give(m->verdicts, i, ATTEMPT_DELIVERED, STATUS(2, 0, 0),
                         "delivered to the Maildir");
}

void maildir_done(struct maildir *m)
{
    file_drop(m);
    if (m->dir_fd >= 0)
        close(m->dir_fd);
    m->dir_fd = -1;
}
