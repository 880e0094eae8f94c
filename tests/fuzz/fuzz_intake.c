/* fuzz_intake.c - a worker that says anything at all in its ring.
 *
 * Input: 8 bytes an ask: type, message (of 8), sequence (as due, or the byte), bytes, flags that
 * say which fields are taken from the input instead of being right, a value.  The arena
 * holds good envelopes for each message.  Checked: every message gets at most one verdict
 * per COMMIT or refusal, every chunk comes back at most once for each time it was lent, what was
 * called durable is there after a restart, and nothing else is. */
#include "../harness/queue_house.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define IDS 8u

struct stream {
    uint8_t bytes[2048];
    uint32_t envelope, total, at, sequence, recipients;
    bool durable, cancelled;
};

static struct stream streams[IDS];

static void prepare(void)
{
    static const char *const recipients[] = {"a@r1.test", "a@r1.test b@r2.test", "c@discard.test",
                                             "d@nowhere.example"};

    memset(streams, 0, sizeof(streams));
    for (uint32_t i = 0; i < IDS; i++) {
        struct stream *s = &streams[i];

        s->envelope = (uint32_t)house_envelope(s->bytes, 1000, 100 + i, i & 1 ? "" : "s@s.test",
                                               recipients[i % 4], &s->recipients);
        s->total = s->envelope + 100 * i;
    }
}

static void ask(struct house *h, const uint8_t *in)
{
    struct stream *s = &streams[in[1] % IDS];
    uint32_t left = s->total - s->at, n = in[3] < left ? in[3] : left;
    uint32_t value = (uint32_t)(in[5] | in[6] << 8 | in[7] << 24);
    struct spool_ask a = {.type = in[0] % 6,
                          .message = 100 + in[1] % IDS,
                          .sequence = s->sequence,
                          .bytes = n,
                          .session = handle_make(0, in[1] % IDS, 1),
                          .envelope_bytes = s->envelope,
                          .recipients = s->recipients,
                          .total_bytes = s->total,
                          .epoch = h->epoch,
                          .chunk = 20 + in[2] % 16};

    if (a.type == SPOOL_COMMIT)
        a.bytes = n = left;
    if (a.type != SPOOL_DATA && a.type != SPOOL_COMMIT)
        a.bytes = n = 0;
    if (n == 0)
        a.chunk = IPC_NO_CHUNK;
    else
        memcpy(ipc_chunk(&h->region, a.chunk), s->bytes + s->at, n);
    a.sequence = in[4] & 1 ? value : a.sequence;
    a.bytes = in[4] & 2 ? value : a.bytes;
    a.chunk = in[4] & 4 ? value : a.chunk;
    a.envelope_bytes = in[4] & 8 ? value : a.envelope_bytes;
    a.recipients = in[4] & 16 ? value : a.recipients;
    a.total_bytes = in[4] & 32 ? value : a.total_bytes;
    a.session.bits ^= in[4] & 64 ? value : 0;
    a.type = in[4] & 128 ? value : a.type;
    if (ring_put(&h->to_peer, &a, 1) != 1)
        return;
    s->at += n;
    s->sequence++;
    if (a.type == SPOOL_ABORT || a.type == SPOOL_COMMIT)
        s->at = s->sequence = 0;
}

static void answers(struct house *h)
{
    struct spool_answer a;

    while (ring_get(&h->to_worker, &a, 1) == 1) {
        struct stream *s = &streams[(a.message - 100) % IDS];

        if (a.epoch != h->epoch || a.type < SPOOL_CHUNK_BACK || a.type > SPOOL_STATE)
            abort();
        if (a.type == SPOOL_DURABLE)
            s->durable = true;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct disk disk;
    static struct house h;

    disk_init(&disk, 1);
    house_init(&h, &disk);
    if (house_open(&h) < 0)
        abort();
    prepare();
    for (; size >= 8 && size < 4096; data += 8, size -= 8) {
        if (data[0] == 0xff)
            house_region(&h);
        else if (data[0] == 0xfe)
            house_settle(&h);
        else
            ask(&h, data);
        if ((data[0] & 0x40) != 0)
            house_turn(&h);
        answers(&h);
    }
    house_settle(&h);
    answers(&h);
    house_close(&h, false);
    if (house_open(&h) < 0)
        abort();
    for (uint32_t i = 0; i < IDS; i++) {
        struct message *m = index_find(h.q->index, 100 + i);

        if (streams[i].durable && m == NULL)
            abort();
    }
    house_close(&h, false);
    disk_done(&disk);
    return 0;
}
