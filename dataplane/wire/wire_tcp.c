/* wire_tcp.c - see wire_tcp.h.
 *
 *  0 source port(2) destination port(2)   4 sequence   8 acknowledgement
 * 12 offset:4 reserved:4, flags, window(2)   16 checksum(2) urgent(2)   20 options
 */
#include "wire_tcp.h"

enum {
    OPT_END = 0,
    OPT_NOP = 1,
    OPT_MSS = 2,
    OPT_WSCALE = 3,
    OPT_SACK_OK = 4,
    OPT_SACK = 5,
    OPT_TS = 8
};
enum { MSS_BYTES = 4, WSCALE_BYTES = 3, SACK_OK_BYTES = 2, TS_BYTES = 10, SACK_BLOCK_BYTES = 8 };

static void take_sack(const uint8_t *p, size_t length, struct tcp_seg *seg)
{
    if ((length - 2) % SACK_BLOCK_BYTES != 0)
        return;
    seg->sack_count = 0;
    /* Forty bytes of options hold four blocks at most, but the bound is ours, not the peer's. */
    for (size_t at = 2; at < length && seg->sack_count < TCP_SACK_BLOCKS_MAX;
         at += SACK_BLOCK_BYTES)
        seg->sack[seg->sack_count++] =
            (struct tcp_sack_block){.left = wire_get32(p + at), .right = wire_get32(p + at + 4)};
}

static void take_option(const uint8_t *p, size_t length, struct tcp_seg *seg)
{
    bool syn = (seg->flags & TCP_SYN) != 0;

    switch (p[0]) {
    case OPT_MSS:
        if (syn && length == MSS_BYTES) {
            seg->has_mss = true;
            seg->mss = wire_get16(p + 2);
        }
        break;
    case OPT_WSCALE:
        if (syn && length == WSCALE_BYTES) {
            seg->has_wscale = true;
            seg->wscale = p[2] > TCP_WSCALE_MAX ? TCP_WSCALE_MAX : p[2];
        }
        break;
    case OPT_SACK_OK:
        if (syn && length == SACK_OK_BYTES)
            seg->has_sack_permitted = true;
        break;
    case OPT_SACK:
        if (!syn)
            take_sack(p, length, seg);
        break;
    case OPT_TS:
        if (length == TS_BYTES) {
            seg->has_timestamps = true;
            seg->ts_val = wire_get32(p + 2);
            seg->ts_ecr = wire_get32(p + 6);
        }
        break;
    default:
        break;
    }
}

static enum wire_check take_options(struct span options, struct tcp_seg *seg)
{
    while (options.len > 0) {
        uint8_t kind = options.ptr[0];
        size_t length = 1;

        if (kind == OPT_END)
            return WIRE_OK;
        if (kind != OPT_NOP) {
            length = options.len > 1 ? options.ptr[1] : 0;
            if (length < 2 || length > options.len)
                return WIRE_OPTIONS;
            take_option(options.ptr, length, seg);
        }
        options = span_skip(options, length);
    }
    return WIRE_OK;
}

enum wire_check wire_tcp_parse(struct span bytes, struct tcp_seg *seg)
{
    const uint8_t *p = bytes.ptr;
    size_t header;

    if (!wire_has(bytes, 0, TCP_HEADER_BYTES))
        return WIRE_SHORT;
    header = (size_t)(p[12] >> 4) * 4;
    if (header < TCP_HEADER_BYTES)
        return WIRE_HEADER;
    if (header > bytes.len)
        return WIRE_SHORT;
    seg->key.remote_port = wire_get16(p);
    seg->key.local_port = wire_get16(p + 2);
    seg->seq = wire_get32(p + 4);
    seg->ack = wire_get32(p + 8);
    seg->flags = p[13];
    seg->window = wire_get16(p + 14);
    seg->urgent = wire_get16(p + 18);
    seg->has_mss = seg->has_wscale = seg->has_sack_permitted = seg->has_timestamps = false;
    seg->wscale = seg->sack_count = 0;
    seg->mss = 0;
    seg->ts_val = seg->ts_ecr = 0;
    seg->text = span_skip(bytes, header);
    return take_options(span_of(p + TCP_HEADER_BYTES, header - TCP_HEADER_BYTES), seg);
}

static unsigned sack_blocks(const struct tcp_seg *seg)
{
    unsigned fit = seg->has_timestamps ? 3 : 4; /* of 40 bytes: 12 for timestamps, 4 + 8n */

    _Static_assert(12 + 4 + 3 * SACK_BLOCK_BYTES <= 40 && 4 + 4 * SACK_BLOCK_BYTES <= 40, "fits");
    if ((seg->flags & TCP_SYN) != 0)
        return 0;
    return seg->sack_count < fit ? seg->sack_count : fit;
}

size_t wire_tcp_header_bytes(const struct tcp_seg *seg)
{
    bool syn = (seg->flags & TCP_SYN) != 0;
    unsigned blocks = sack_blocks(seg);
    size_t n = TCP_HEADER_BYTES;

    n += syn && seg->has_mss ? 4 : 0;
    if (seg->has_timestamps)
        n += 12; /* SACK-permitted takes the place of the two NOPs */
    else if (syn && seg->has_sack_permitted)
        n += 4;
    n += syn && seg->has_wscale ? 4 : 0;
    return n + (blocks > 0 ? 4 + blocks * SACK_BLOCK_BYTES : 0);
}

static uint8_t *put_option(uint8_t *p, uint8_t kind, uint8_t length)
{
    p[0] = kind;
    p[1] = length;
    return p + 2;
}

static uint8_t *put_options(const struct tcp_seg *seg, uint8_t *p)
{
    bool syn = (seg->flags & TCP_SYN) != 0;
    bool sack_ok = syn && seg->has_sack_permitted;
    unsigned blocks = sack_blocks(seg);

    if (syn && seg->has_mss) {
        p = put_option(p, OPT_MSS, MSS_BYTES);
        wire_put16(p, seg->mss);
        p += 2;
    }
    if (seg->has_timestamps || sack_ok) {
        if (!sack_ok || !seg->has_timestamps) {
            *p++ = OPT_NOP;
            *p++ = OPT_NOP;
        }
        if (sack_ok)
            p = put_option(p, OPT_SACK_OK, SACK_OK_BYTES);
    }
    if (seg->has_timestamps) {
        p = put_option(p, OPT_TS, TS_BYTES);
        wire_put32(p, seg->ts_val);
        wire_put32(p + 4, seg->ts_ecr);
        p += 8;
    }
    if (syn && seg->has_wscale) {
        *p++ = OPT_NOP;
        p = put_option(p, OPT_WSCALE, WSCALE_BYTES);
        *p++ = seg->wscale;
    }
    if (blocks > 0) {
        *p++ = OPT_NOP;
        *p++ = OPT_NOP;
        p = put_option(p, OPT_SACK, (uint8_t)(2 + blocks * SACK_BLOCK_BYTES));
    }
    for (unsigned i = 0; i < blocks; i++, p += SACK_BLOCK_BYTES) {
        wire_put32(p, seg->sack[i].left);
        wire_put32(p + 4, seg->sack[i].right);
    }
    return p;
}

size_t wire_tcp_write(const struct tcp_seg *seg, uint8_t *out, size_t room)
{
    size_t n = wire_tcp_header_bytes(seg);

    if (n > room)
        return 0;
    wire_put16(out, seg->key.local_port);
    wire_put16(out + 2, seg->key.remote_port);
    wire_put32(out + 4, seg->seq);
    wire_put32(out + 8, seg->ack);
    out[12] = (uint8_t)(n / 4 << 4);
    out[13] = seg->flags;
    wire_put16(out + 14, seg->window);
    wire_put16(out + 16, 0);
    wire_put16(out + 18, seg->urgent);
    put_options(seg, out + TCP_HEADER_BYTES);
    return n;
}
