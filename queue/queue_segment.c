/* queue_segment.c - record format and checksums; see queue_segment.h. */
#include "queue_segment.h"

#include <errno.h>

#include "base_crc.h"
#include "base_must.h"

#define SEGMENT_MAGIC   0x31474f4c55514c53ull /* "SLQULOG1" */
#define SEGMENT_VERSION 1u
#define RECORD_MAGIC    0x52514c53u /* "SLQR" */
#define CRC_FROM        offsetof(struct record_head, tag)

void segment_header_put(uint8_t block[SEGMENT_BLOCK], uint32_t segment_bytes, uint64_t birth,
                        uint64_t tag, uint64_t tail)
{
    struct segment_header h = {.magic = SEGMENT_MAGIC,
                               .version = SEGMENT_VERSION,
                               .segment_bytes = segment_bytes,
                               .birth = birth,
                               .tag = tag,
                               .tail = tail};

    h.crc = crc32c(0, &h, offsetof(struct segment_header, crc));
    memset(block, 0, SEGMENT_BLOCK);
    memcpy(block, &h, sizeof(h));
}

int segment_header_get(const uint8_t block[SEGMENT_BLOCK], struct segment_header *ret)
{
    static const struct segment_header none;
    struct segment_header h;

    memcpy(&h, block, sizeof(h));
    if (memcmp(&h, &none, sizeof(h)) == 0)
        return -ENOENT;
    if (h.magic != SEGMENT_MAGIC || h.version != SEGMENT_VERSION ||
        h.crc != crc32c(0, &h, offsetof(struct segment_header, crc)))
        return -EBADMSG;
    if (h.segment_bytes < SEGMENT_BYTES_MIN || h.segment_bytes > SEGMENT_BYTES_MAX ||
        h.birth == 0 || h.birth == UINT64_MAX || h.tail > h.birth)
        return -EBADMSG;
    *ret = h;
    return 0;
}

void record_seal(uint8_t *at, uint64_t tag, struct record_head *head)
{
    uint32_t padded = align_up(head->length, RECORD_ALIGN);

    must(head->length <= RECORD_PAYLOAD_MAX);
    head->magic = RECORD_MAGIC;
    head->tag = tag;
    memset(head->zero, 0, sizeof(head->zero));
    memcpy(at, head, sizeof(*head));
    memset(at + RECORD_HEAD_BYTES + head->length, 0, padded - head->length);
    head->crc = crc32c(0, at + CRC_FROM, RECORD_HEAD_BYTES - CRC_FROM + head->length);
    memcpy(at + offsetof(struct record_head, crc), &head->crc, sizeof(head->crc));
}

enum record_read record_read(struct span window, uint64_t tag, struct record_head *ret,
                             struct span *ret_payload, uint32_t *ret_need)
{
    struct record_head h;

    *ret_need = RECORD_HEAD_BYTES;
    if (window.len < RECORD_HEAD_BYTES)
        return RECORD_MORE;
    memcpy(&h, window.ptr, sizeof(h));
    if (h.magic != RECORD_MAGIC || h.tag != tag || h.length > RECORD_PAYLOAD_MAX)
        return RECORD_NONE;
    if (h.type < RECORD_DATA || h.type > RECORD_TRIM)
        return RECORD_NONE;
    *ret_need = record_bytes(h.length);
    if (window.len < *ret_need)
        return RECORD_MORE;
    if (h.crc != crc32c(0, window.ptr + CRC_FROM, RECORD_HEAD_BYTES - CRC_FROM + h.length))
        return RECORD_NONE;
    *ret = h;
    *ret_payload = span_of(window.ptr + RECORD_HEAD_BYTES, h.length);
    return RECORD_WHOLE;
}

size_t state_put(uint8_t *out, size_t room, const struct state_entry *entry, struct span text)
{
    struct state_entry e = *entry;

    if (text.len > REASON_BYTES_MAX || room < sizeof(e) + text.len)
        return 0;
    e.text_bytes = (uint16_t)text.len;
    memcpy(out, &e, sizeof(e));
    if (text.len > 0)
        memcpy(out + sizeof(e), text.ptr, text.len);
    return sizeof(e) + text.len;
}

int state_get(struct span *states, struct state_entry *ret, struct span *ret_text)
{
    struct state_entry e;

    if (states->len == 0)
        return 0;
    if (states->len < sizeof(e))
        return -EBADMSG;
    memcpy(&e, states->ptr, sizeof(e));
    if (e.text_bytes > REASON_BYTES_MAX || states->len - sizeof(e) < e.text_bytes)
        return -EBADMSG;
    if (e.state < RECIPIENT_WAITING || e.state > RECIPIENT_HELD)
        return -EBADMSG;
    *ret = e;
    *ret_text = span_of(states->ptr + sizeof(e), e.text_bytes);
    *states = span_skip(*states, sizeof(e) + e.text_bytes);
    return 1;
}

int commit_get(struct span payload, struct commit_head *ret, struct span *ret_states,
               struct span *ret_data)
{
    struct commit_head c;

    if (payload.len < sizeof(c))
        return -EBADMSG;
    memcpy(&c, payload.ptr, sizeof(c));
    if (c.envelope_bytes < ENVELOPE_HEADER_BYTES || c.envelope_bytes > ENVELOPE_BYTES_MAX ||
        c.total_bytes < c.envelope_bytes || c.total_bytes > MESSAGE_BYTES_MAX ||
        c.recipients == 0 || c.recipients > RECIPIENTS_MAX)
        return -EBADMSG;
    payload = span_skip(payload, sizeof(c));
    if (c.state_bytes > payload.len || payload.len - c.state_bytes > c.total_bytes)
        return -EBADMSG;
    *ret = c;
    *ret_states = span_of(payload.ptr, c.state_bytes);
    *ret_data = span_skip(payload, c.state_bytes);
    return 0;
}
