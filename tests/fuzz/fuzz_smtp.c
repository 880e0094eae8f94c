/* fuzz_smtp.c - the SMTP machine under arbitrary bytes, arbitrary cuts and an arbitrary caller.
 *
 * Input: 4 octets of options, then records { control u8, bytes } until the end: the control
 * octet says how many bytes come as one segment (low 6 bits) or what happens instead.  What must
 * hold: no want without its due, the call always gets somewhere, what is stored parses as an
 * envelope with our Received: header behind it and holds neither NUL nor a bare CR or LF, and
 * no block is lost.
 */
#include <stdlib.h>

#include "../harness/smtp_fake_policy.c"
#include "base_must.h"
#include "ipc_envelope.h"
#include "smtp_session.h"

#define BLOCKS     64u
#define CHUNK_MAX  512u
#define STREAM_MAX (1u << 20)

struct run {
    struct smtp smtp;
    struct smtp_turn turn;
    struct smtp_out out;
    struct policy policy;
    struct pool blocks;
    struct count counters[SMTP_COUNTERS];
    struct smtp_log log;
    struct smtp_log_event events[8];
    uint64_t last_id;
    uint32_t chunk_bytes;
    uint8_t options;
    bool closed;
    size_t stream_len;
    uint8_t out_bytes[SMTP_OUT_MIN + 256], chunk[CHUNK_MAX];
};

static uint8_t block_memory[BLOCKS * SMTP_BLOCK_BYTES + 4096] __attribute__((aligned(64)));
static uint8_t stream[STREAM_MAX];

enum { NO_CHUNKS = 1, RESULT_SHIFT = 1, RESULT_MASK = 7, BARE_SHIFT = 4, TINY_OUT = 64 };

static void out_begin(struct run *r)
{
    r->out = (struct smtp_out){.ptr = r->out_bytes,
                               .cap = r->options & TINY_OUT ? SMTP_OUT_MIN : sizeof(r->out_bytes)};
    r->turn.out = &r->out;
    r->log.count = 0;
}

static void take(struct run *r)
{
    uint32_t used = smtp_take_chunk(&r->smtp);

    must(used <= r->chunk_bytes);
    if (r->stream_len + used <= STREAM_MAX) {
        memcpy(stream + r->stream_len, r->chunk, used);
        r->stream_len += used;
    }
}

static void check_stored(const struct run *r)
{
    struct smtp_message m = smtp_message(&r->smtp);
    struct envelope env;
    const char *why;

    must(m.total_bytes == r->stream_len);
    must(envelope_parse(span_of(stream, m.envelope_bytes), &env, &why) == 0);
    must(env.header.message == m.message && env.header.recipients == m.recipients);
    must(memcmp(stream + m.envelope_bytes, "Received: ", 10) == 0);
    must(stream[r->stream_len - 1] == '\n');
    for (size_t i = m.envelope_bytes; i < r->stream_len; i++) {
        must(stream[i] != '\0');
        must(stream[i] != '\r' || stream[i + 1] == '\n');
        must(stream[i] != '\n' || stream[i - 1] == '\r');
    }
}

static void act(struct run *r, enum smtp_want want);

static void committed(struct run *r)
{
    unsigned result = (unsigned)r->options >> RESULT_SHIFT & RESULT_MASK;

    out_begin(r);
    act(r, smtp_committed(&r->smtp, &r->turn,
                          (enum smtp_commit)(result > SMTP_STORE_TIMEOUT ? 0 : result)));
}

static void act(struct run *r, enum smtp_want want)
{
    switch (want) {
    case SMTP_WANT_INPUT:
    case SMTP_WANT_ROOM:
        break;
    case SMTP_WANT_CHUNK:
        if (r->options & NO_CHUNKS && r->stream_len > 1000) {
            out_begin(r);
            smtp_no_chunk(&r->smtp, &r->turn);
        } else {
            smtp_chunk(&r->smtp, r->chunk, r->chunk_bytes);
        }
        break;
    case SMTP_WANT_FLUSH:
        take(r);
        break;
    case SMTP_WANT_COMMIT:
        take(r);
        must(smtp_suspended(&r->smtp));
        check_stored(r);
        r->stream_len = 0;
        break;
    case SMTP_WANT_ABORT:
        take(r);
        r->stream_len = 0;
        break;
    case SMTP_WANT_CLOSE:
        r->closed = true;
        break;
    }
}

static void feed(struct run *r, struct span in, bool more)
{
    unsigned idle = 0;

    while (!r->closed) {
        size_t before = in.len, stored = r->stream_len;
        enum smtp_want want;

        if (smtp_suspended(&r->smtp))
            committed(r);
        out_begin(r);
        r->turn.more_input = more;
        want = smtp_input(&r->smtp, &r->turn, &in);
        must(r->out.len <= r->out.cap);
        must(r->out.len == 0 || r->out.ptr[r->out.len - 1] == '\n');
        act(r, want);
        idle = in.len == before && r->out.len == 0 && r->stream_len == stored ? idle + 1 : 0;
        must(idle < 8);
        if (want == SMTP_WANT_INPUT) {
            must(in.len == 0 && !smtp_pending(&r->smtp));
            break;
        }
    }
}

/* What else may happen to a session between two segments. */
static void event(struct run *r, uint8_t what)
{
    out_begin(r);
    switch (what & 7) {
    case 0:
        act(r, smtp_eof(&r->smtp, &r->turn));
        break;
    case 1:
        r->turn.now.us += 100000000ull;
        act(r, smtp_timer(&r->smtp, &r->turn));
        break;
    case 2:
        act(r, smtp_shutdown(&r->smtp, &r->turn));
        break;
    case 3:
        act(r, smtp_committed(&r->smtp, &r->turn, SMTP_STORE_FULL));
        break;
    case 4:
        fake.generation++;
        fake.bare = (enum policy_bare_newline)((fake.bare + 1) % 3);
        break;
    case 5:
        r->turn.queue_gone = !r->turn.queue_gone;
        break;
    case 6:
        r->turn.intake_shut = !r->turn.intake_shut;
        break;
    default:
        r->turn.closing = true;
        break;
    }
}

static void start(struct run *r, const uint8_t options[4])
{
    struct smtp_peer peer = {.client = ip_from_v4(0x0a190001),
                             .local = ip_from_v4(0x0a190019),
                             .local_port = 25,
                             .session = 1};

    memset(r, 0, sizeof(*r));
    fake_policy_reset();
    r->options = options[0];
    fake.bare = (enum policy_bare_newline)((options[0] >> BARE_SHIFT) % 3);
    fake.limits.message_bytes = 16u * options[1];
    fake.limits.recipients = options[2];
    fake.limits.received_hops = 3;
    fake.limits.bad_commands = 50;
    fake.relay = options[2] & 1;
    r->chunk_bytes = SMTP_CHUNK_BYTES_MIN + options[3];
    pool_init(&r->blocks, block_memory, BLOCKS, SMTP_BLOCK_BYTES);
    r->log = (struct smtp_log){.events = r->events, .cap = 8};
    r->turn = (struct smtp_turn){.policy = &r->policy,
                                 .wall_us = 1763855940000000ull,
                                 .last_id = &r->last_id,
                                 .blocks = &r->blocks,
                                 .counters = r->counters,
                                 .log = &r->log};
    out_begin(r);
    act(r, smtp_open(&r->smtp, &r->turn, &peer));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct run *r;
    size_t at = 4;

    if (size < 4)
        return 0;
    r = malloc(sizeof(*r));
    start(r, data);
    while (at < size && !r->closed) {
        uint8_t control = data[at++];
        size_t n = control & 63;
        uint8_t *copy;

        if (control >= 0xf8) {
            event(r, control);
            continue;
        }
        if (n == 0)
            n = 4096;
        if (n > size - at)
            n = size - at;
        copy = malloc(n + 1); /* its own allocation, so that an over-read is seen */
        memcpy(copy, data + at, n);
        feed(r, span_of(copy, n), (control & 64) != 0);
        free(copy);
        at += n;
    }
    out_begin(r);
    smtp_done(&r->smtp, &r->turn, SMTP_END_CLIENT_RESET, 0, 0);
    must(r->blocks.used == 0);
    free(r);
    return 0;
}
