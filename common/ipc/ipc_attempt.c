/* ipc_attempt.c - delivery attempts and their outcomes, written and read. */
#include "ipc_attempt.h"

#include <errno.h>

#include "ipc_envelope.h"
#include "ipc_region.h"

#define URL_MAX 2048u

_Static_assert(sizeof(struct attempt_head) == 64, "ABI");
_Static_assert(sizeof(struct attempt_extent) == 16, "ABI");
_Static_assert(sizeof(struct outcome_head) == 32, "ABI");
_Static_assert(sizeof(struct attempt_head) + ATTEMPT_EXTENTS_MAX * sizeof(struct attempt_extent) <
                   ATTEMPT_BYTES_MAX,
               "the most extents leave room for the strings");

struct writer {
    uint8_t *at;
    size_t room;
    bool full;
};

static void put(struct writer *w, const void *bytes, size_t n)
{
    if (w->full || w->room < n) {
        w->full = true;
        return;
    }
    if (n > 0)
        memcpy(w->at, bytes, n);
    w->at += n;
    w->room -= n;
}

static void put_string(struct writer *w, struct span text)
{
    uint8_t len[2] = {(uint8_t)text.len, (uint8_t)(text.len >> 8)};

    if (text.len > UINT16_MAX) {
        w->full = true;
        return;
    }
    put(w, len, sizeof(len));
    put(w, text.ptr, text.len);
}

/* false where the packet does not hold n more bytes. */
static bool take(struct span *from, void *ret, size_t n)
{
    if (from->len < n)
        return false;
    memcpy(ret, from->ptr, n);
    *from = span_skip(*from, n);
    return true;
}

static bool take_string(struct span *from, size_t max, struct span *ret)
{
    uint8_t len[2];
    size_t n;

    if (!take(from, len, sizeof(len)))
        return false;
    n = (size_t)len[0] | (size_t)len[1] << 8;
    if (n > max || n > from->len)
        return false;
    *ret = span_of(from->ptr, n);
    *from = span_skip(*from, n);
    return true;
}

static bool is_clean(struct span text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < 0x20 || text.ptr[i] == 0x7f)
            return false;
    }
    return true;
}

static bool head_possible(const struct attempt_head *h)
{
    return h->abi == IPC_ABI && h->recipients >= 1 && h->recipients <= ATTEMPT_RECIPIENTS_MAX &&
           h->segments >= 1 && h->segments <= ATTEMPT_SEGMENTS_MAX && h->extents >= 1 &&
           h->extents <= ATTEMPT_EXTENTS_MAX &&
           (h->flags & ~(uint32_t)(ENVELOPE_8BIT | ENVELOPE_UTF8 | ENVELOPE_ESMTP)) == 0;
}

struct attempt_extent attempt_extent_at(const struct attempt *a, uint32_t i)
{
    struct attempt_extent extent;

    memcpy(&extent, a->extents + (size_t)i * sizeof(extent), sizeof(extent));
    return extent;
}

/* Extents name segments that came along, lie in a file's range and add up. */
static bool extents_possible(const struct attempt *a)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < a->head.extents; i++) {
        struct attempt_extent e = attempt_extent_at(a, i);

        if (e.segment >= a->head.segments || e.bytes == 0 ||
            e.offset > (uint64_t)INT64_MAX - e.bytes)
            return false;
        sum += e.bytes; /* at most 4096 * 2^32 */
    }
    return sum == a->head.content_bytes;
}

size_t attempt_write(uint8_t *out, size_t room, const struct attempt *a,
                     const struct attempt_extent *extents)
{
    struct writer w = {.at = out, .room = room < ATTEMPT_BYTES_MAX ? room : ATTEMPT_BYTES_MAX};
    struct attempt_head head = a->head;

    head.abi = IPC_ABI;
    if (!head_possible(&head))
        return 0;
    put(&w, &head, sizeof(head));
    put(&w, extents, head.extents * sizeof(*extents));
    put_string(&w, a->target);
    put_string(&w, a->sender);
    for (uint32_t i = 0; i < head.recipients; i++)
        put_string(&w, a->recipients[i]);
    return w.full ? 0 : (size_t)(w.at - out);
}

int attempt_parse(struct span packet, struct attempt *ret)
{
    size_t extents_bytes;

    if (packet.len > ATTEMPT_BYTES_MAX || !take(&packet, &ret->head, sizeof(ret->head)) ||
        !head_possible(&ret->head))
        return -EBADMSG;
    extents_bytes = ret->head.extents * sizeof(struct attempt_extent);
    if (packet.len < extents_bytes)
        return -EBADMSG;
    ret->extents = packet.ptr;
    packet = span_skip(packet, extents_bytes);
    if (!extents_possible(ret))
        return -EBADMSG;
    if (!take_string(&packet, URL_MAX, &ret->target) || ret->target.len == 0 ||
        !is_clean(ret->target))
        return -EBADMSG;
    if (!take_string(&packet, ENVELOPE_PATH_MAX, &ret->sender) || !is_clean(ret->sender))
        return -EBADMSG;
    for (uint32_t i = 0; i < ret->head.recipients; i++) {
        if (!take_string(&packet, ENVELOPE_PATH_MAX, &ret->recipients[i]) ||
            ret->recipients[i].len == 0 || !is_clean(ret->recipients[i]))
            return -EBADMSG;
    }
    return packet.len == 0 ? 0 : -EBADMSG;
}

static bool result_possible(const struct outcome_recipient *r)
{
    /* RFC 3463 s2: 2.x.y delivered, 4.x.y deferred, 5.x.y failed; subject and detail to 999,
     * of which nothing in use is above 255. */
    static const uint8_t class_of[] = {
        [ATTEMPT_DELIVERED] = 2, [ATTEMPT_DEFERRED] = 4, [ATTEMPT_FAILED] = 5};

    return r->result >= ATTEMPT_DELIVERED && r->result <= ATTEMPT_FAILED &&
           r->status[0] == class_of[r->result] &&
           (r->code == 0 || (r->code >= 200 && r->code < 600));
}

static bool outcome_head_possible(const struct outcome_head *h)
{
    return h->abi == IPC_ABI && h->recipients >= 1 && h->recipients <= ATTEMPT_RECIPIENTS_MAX;
}

size_t outcome_write(uint8_t *out, size_t room, const struct outcome *o)
{
    struct writer w = {.at = out, .room = room < ATTEMPT_BYTES_MAX ? room : ATTEMPT_BYTES_MAX};
    struct outcome_head head = o->head;

    head.abi = IPC_ABI;
    if (!outcome_head_possible(&head) || o->remote.len > OUTCOME_TEXT_MAX)
        return 0;
    put(&w, &head, sizeof(head));
    for (uint32_t i = 0; i < head.recipients; i++) {
        const struct outcome_recipient *r = &o->recipients[i];
        uint8_t fixed[6] = {(uint8_t)r->result, r->status[0],     r->status[1],
                            r->status[2],       (uint8_t)r->code, (uint8_t)(r->code >> 8)};

        if (!result_possible(r) || r->text.len > OUTCOME_TEXT_MAX)
            return 0;
        put(&w, fixed, sizeof(fixed));
        put_string(&w, r->text);
    }
    put_string(&w, o->remote);
    return w.full ? 0 : (size_t)(w.at - out);
}

int outcome_parse(struct span packet, struct outcome *ret)
{
    if (packet.len > ATTEMPT_BYTES_MAX || !take(&packet, &ret->head, sizeof(ret->head)) ||
        !outcome_head_possible(&ret->head))
        return -EBADMSG;
    for (uint32_t i = 0; i < ret->head.recipients; i++) {
        struct outcome_recipient *r = &ret->recipients[i];
        uint8_t fixed[6];

        if (!take(&packet, fixed, sizeof(fixed)))
            return -EBADMSG;
        r->result = (enum attempt_result)fixed[0];
        memcpy(r->status, fixed + 1, sizeof(r->status));
        r->code = (uint16_t)(fixed[4] | fixed[5] << 8);
        if (!result_possible(r) || !take_string(&packet, OUTCOME_TEXT_MAX, &r->text))
            return -EBADMSG;
    }
    if (!take_string(&packet, OUTCOME_TEXT_MAX, &ret->remote))
        return -EBADMSG;
    return packet.len == 0 ? 0 : -EBADMSG;
}
