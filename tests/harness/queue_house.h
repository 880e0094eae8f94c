/* queue_house.h - a whole queue in a test: simulated disk, one worker's rings in plain memory,
 * a delivery process made of an array, a clock moved by hand. */
#ifndef QUEUE_HOUSE_H
#define QUEUE_HOUSE_H

#include "base_crc.h"
#include "ipc_attempt.h"
#include "queue.h"
#include "queue_disk.h"
#include "queue_policy.h"

#define HOUSE_PACKETS 512

struct house_packet {
    uint8_t *bytes;
    size_t n;
    int files[ATTEMPT_SEGMENTS_MAX];
};

struct house {
    struct disk *disk;
    struct queue *q;
    struct queue_settings settings;
    struct usec now;
    uint64_t wall_us;
    struct ipc_region region;       /* the queue's end */
    struct ring to_peer, to_worker; /* the worker's ends */
    void *memory;
    uint32_t epoch, chunk;
    struct queue_port port;
    struct house_packet packets[HOUSE_PACKETS];
    uint32_t packets_n;
    int port_error;
    const char *why;
};

static inline int house_send(struct queue_port *port, const void *packet, size_t n, const int *fds,
                             uint32_t fds_n)
{
    struct house *h = (struct house *)(void *)((uint8_t *)port - offsetof(struct house, port));
    struct house_packet *p = &h->packets[h->packets_n];

    if (h->port_error != 0)
        return h->port_error;
    if (h->packets_n == HOUSE_PACKETS)
        return -EAGAIN;
    p->bytes = malloc(n);
    memcpy(p->bytes, packet, n);
    p->n = n;
    for (uint32_t i = 0; i < fds_n; i++) {
        p->files[i] = fds[i];
        h->disk->files[fds[i] - 1000].opens++; /* as SCM_RIGHTS would */
    }
    h->packets_n++;
    return 0;
}

static inline struct queue_settings house_settings(void)
{
    struct queue_settings s = {
        .directory = "sim",
        .workers = 1,
        .limit_bytes = 64 * 128 * 1024,
        .limit_messages = 100000,
        .segment_bytes = 128 * 1024,
        .batch_bytes = 64 * 1024,
        .retry = {1000000, 60000000, 3600000000ull},
        .sync = true,
        .seed = 7
    };

    return s;
}

static inline void house_region(struct house *h)
{
    size_t peer = ring_bytes(IPC_RING_TO_PEER, IPC_MESSAGE_BYTES);
    size_t worker = ring_bytes(IPC_RING_TO_WORKER, IPC_MESSAGE_BYTES);
    uint8_t *at;

    free(h->memory);
    h->memory = aligned_alloc(64, peer + worker);
    memset(h->memory, 0, peer + worker);
    at = h->memory;
    memset(&h->region, 0, sizeof(h->region));
    ring_attach(&h->region.to_peer, at, IPC_RING_TO_PEER, IPC_MESSAGE_BYTES);
    ring_attach(&h->to_peer, at, IPC_RING_TO_PEER, IPC_MESSAGE_BYTES);
    ring_attach(&h->region.to_worker, at + peer, IPC_RING_TO_WORKER, IPC_MESSAGE_BYTES);
    ring_attach(&h->to_worker, at + peer, IPC_RING_TO_WORKER, IPC_MESSAGE_BYTES);
    if (h->region.arena == NULL) {
        static uint8_t *arena;

        if (arena == NULL)
            arena = calloc(IPC_CHUNKS, IPC_CHUNK_BYTES);
        h->region.arena = arena;
    }
    h->region.kind = IPC_QUEUE;
    h->region.epoch = ++h->epoch;
    intake_open(h->q, 0, &h->region);
}

static inline int house_open(struct house *h)
{
    int rc = queue_open(&h->settings, &h->disk->io, h->now, h->wall_us, &h->q, &h->why);

    if (rc < 0)
        return rc;
    h->port.send = house_send;
    house_region(h);
    route_use(&h->q->route, "image", 5, &h->why);
    return 0;
}

static inline void house_init(struct house *h, struct disk *disk)
{
    memset(h, 0, sizeof(*h));
    h->disk = disk;
    h->settings = house_settings();
    h->now.us = 1000000000;
    h->wall_us = 1790000000000000ull;
}

static inline void house_drop_packets(struct house *h)
{
    for (uint32_t i = 0; i < h->packets_n; i++)
        free(h->packets[i].bytes);
    h->packets_n = 0;
}

static inline void house_close(struct house *h, bool crash)
{
    h->q = queue_close(h->q, crash);
    house_drop_packets(h);
    free(h->memory);
    h->memory = NULL;
}

static inline uint32_t house_turn(struct house *h)
{
    h->now.us += 100;
    h->wall_us += 100;
    return queue_turn(h->q, h->now, h->wall_us);
}

static inline void house_pass(struct house *h, uint64_t us)
{
    h->now.us += us;
    h->wall_us += us;
}

/* Until nothing more happens by itself. */
static inline void house_settle(struct house *h)
{
    uint32_t idle = 0;

    for (int i = 0; i < 5000 && idle < 8; i++)
        idle = house_turn(h) == 0 && qlog_idle(h->q->log) ? idle + 1 : 0;
}

/* Envelope of a message; recipients "a b c" separated by spaces. */
static inline size_t house_envelope(uint8_t *out, size_t room, uint64_t id, const char *sender,
                                    const char *recipients, uint32_t *ret_n)
{
    struct envelope_header head = {.version = ENVELOPE_VERSION,
                                   .message = id,
                                   .session = id + 1,
                                   .arrived_us = 1790000000000000ull};
    size_t at = ENVELOPE_HEADER_BYTES;

    at += envelope_put_item(out + at, room - at, ENVELOPE_HELO, span_str("client.test"));
    at += envelope_put_item(out + at, room - at, ENVELOPE_SERVER, span_str("inbound"));
    at += envelope_put_item(out + at, room - at, ENVELOPE_HOSTNAME, span_str("mx.test"));
    at += envelope_put_item(out + at, room - at, ENVELOPE_SENDER, span_str(sender));
    while (*recipients != '\0') {
        size_t n = strcspn(recipients, " ");

        at += envelope_put_item(out + at, room - at, ENVELOPE_RECIPIENT, span_of(recipients, n));
        head.recipients++;
        recipients += n + (recipients[n] == ' ');
    }
    envelope_put_header(out, &head);
    *ret_n = head.recipients;
    return at;
}

static inline void house_ask(struct house *h, struct spool_ask *ask, const void *bytes, uint32_t n)
{
    ask->chunk = IPC_NO_CHUNK;
    ask->bytes = n;
    ask->epoch = h->epoch;
    if (n > 0) {
        ask->chunk = h->chunk++ % (IPC_CHUNKS - 1); /* the last is house_commit's */
        memcpy(ipc_chunk(&h->region, ask->chunk), bytes, n);
    }
    if (ring_put(&h->to_peer, ask, 1) != 1)
        abort();
    ask->sequence++;
}

/* The whole message, cut into chunks of cut bytes; content is n bytes made from the id. */
static inline void house_content(uint64_t id, uint8_t *out, size_t n)
{
    struct rand rand;

    rand_seed(&rand, id, 5);
    rand_fill(&rand, out, n);
}

static inline struct spool_ask house_data(struct house *h, uint64_t id, const char *sender,
                                          const char *recipients, size_t content, uint32_t cut)
{
    static uint8_t stream[ENVELOPE_BYTES_MAX + 4 * 1024 * 1024];
    struct spool_ask ask = {.message = id, .session = handle_make(0, (uint32_t)id & 0xffff, 1)};
    size_t n = house_envelope(stream, ENVELOPE_BYTES_MAX, id, sender, recipients, &ask.recipients);
    size_t at = 0;

    ask.envelope_bytes = (uint32_t)n;
    house_content(id, stream + n, content);
    n += content;
    ask.total_bytes = n;
    for (; n - at > cut; at += cut) {
        ask.type = SPOOL_DATA;
        house_ask(h, &ask, stream + at, cut);
    }
    ask.type = SPOOL_COMMIT;
    ask.bytes = (uint32_t)(n - at);
    /* The last chunk waits in the arena for house_commit. */
    memcpy(ipc_chunk(&h->region, IPC_CHUNKS - 1), stream + at, n - at);
    return ask;
}

static inline void house_commit(struct house *h, struct spool_ask *ask)
{
    static uint8_t last[IPC_CHUNK_BYTES];
    uint32_t n = ask->bytes;

    memcpy(last, ipc_chunk(&h->region, IPC_CHUNKS - 1), n);
    house_ask(h, ask, last, n);
}

static inline void house_message(struct house *h, uint64_t id, const char *recipients,
                                 size_t content, uint32_t cut)
{
    struct spool_ask ask = house_data(h, id, "sender@s.test", recipients, content, cut);

    house_commit(h, &ask);
}

/* The next answer that is no CHUNK_BACK or STATE. */
static inline bool house_answer(struct house *h, struct spool_answer *ret)
{
    struct spool_answer a;

    while (ring_get(&h->to_worker, &a, 1) == 1)
        if (a.type != SPOOL_CHUNK_BACK && a.type != SPOOL_STATE) {
            *ret = a;
            return true;
        }
    return false;
}

static inline enum spool_answer_type house_verdict(struct house *h, uint64_t id)
{
    struct spool_answer a;

    for (int i = 0; i < 200; i++) {
        house_turn(h);
        while (house_answer(h, &a))
            if (a.message == id)
                return (enum spool_answer_type)a.type;
    }
    return 0;
}

/* Reads an attempt's content as sluice-deliver would, and checks its sum. */
static inline bool house_read(struct house *h, const struct house_packet *p,
                              const struct attempt *a)
{
    uint8_t *content = malloc(a->head.content_bytes + 1), *want;
    uint64_t at = 0;
    bool ok;

    for (uint32_t i = 0; i < a->head.extents; i++) {
        struct attempt_extent e = attempt_extent_at(a, i);
        struct disk_file *f = &h->disk->files[p->files[e.segment] - 1000];

        if (e.offset + e.bytes > f->bytes)
            break;
        memcpy(content + at, f->cache + e.offset, e.bytes);
        at += e.bytes;
    }
    want = malloc(a->head.content_bytes + 1);
    house_content(a->head.message, want, a->head.content_bytes);
    ok = at == a->head.content_bytes && crc32c(0, content, at) == a->head.content_crc &&
         memcmp(content, want, at) == 0;
    free(content);
    free(want);
    return ok;
}

static inline struct attempt house_attempt(const struct house_packet *p)
{
    struct attempt a;

    if (attempt_parse(span_of(p->bytes, p->n), &a) < 0)
        abort();
    return a;
}

/* Takes packet i out: the result for each recipient is chosen by results[i % n]. */
static inline void house_outcome(struct house *h, uint32_t i, const enum attempt_result *results,
                                 uint32_t n)
{
    static uint8_t packet[ATTEMPT_BYTES_MAX];
    static struct outcome o;
    struct house_packet p = h->packets[i];
    struct attempt a = house_attempt(&p);
    size_t bytes;

    memset(&o, 0, sizeof(o));
    o.head = (struct outcome_head){.attempt = a.head.attempt,
                                   .message = a.head.message,
                                   .recipients = a.head.recipients,
                                   .abi = IPC_ABI};
    o.remote = span_str("h[192.0.2.1]:25");
    for (uint32_t r = 0; r < a.head.recipients; r++) {
        enum attempt_result result = results[r % n];

        o.recipients[r] = (struct outcome_recipient){
            .result = result,
            .status = {result == ATTEMPT_DELIVERED ? 2
                       : result == ATTEMPT_FAILED  ? 5
                                                   : 4,
                       1, 1},
            .code = result == ATTEMPT_DELIVERED ? 250
                    : result == ATTEMPT_FAILED  ? 550
                                                : 450,
            .text = span_str("said so")
        };
    }
    bytes = outcome_write(packet, sizeof(packet), &o);
    if (bytes == 0)
        abort();
    for (uint32_t s = 0; s < a.head.segments; s++)
        disk_io_close(&h->disk->io, p.files[s]);
    h->packets[i] = h->packets[--h->packets_n];
    queue_outcome(h->q, span_of(packet, bytes));
    free(p.bytes);
}

#endif
