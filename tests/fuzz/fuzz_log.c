/* fuzz_log.c - recovery over arbitrary segment bytes: nothing a disk says may hurt.
 *
 * Input: parts, each a byte of kind, a byte of detail, a length (u16) and bytes.  Kinds put raw
 * bytes at the end of the log, or a record whose sum is right but whose fields and payload are
 * the input's, or begin the next segment, or pad to a block.  What comes back is then
 * delivered, copied, counted and recovered once more: the second time must agree. */
#include "../harness/queue_house.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SEGMENT   (128u * 1024u)
#define BYTES_MAX 20000u

struct maker {
    uint8_t bytes[SEGMENT];
    uint32_t at;
    uint64_t birth;
    struct disk *disk;
};

static void begin(struct maker *m, uint64_t tail)
{
    memset(m->bytes, 0, sizeof(m->bytes));
    segment_header_put(m->bytes, SEGMENT, m->birth, m->birth * 77, tail);
    m->at = SEGMENT_BLOCK;
}

static void end(struct maker *m)
{
    char name[IO_NAME_MAX];

    segment_file_name(name, SEGMENT_FILE, (uint32_t)m->birth);
    disk_put(m->disk, name, m->bytes, sizeof(m->bytes));
    m->birth++;
}

/* A good COMMIT of one small message, some of whose fields detail spoils. */
static uint32_t commit(uint8_t *payload, uint64_t id, uint8_t detail)
{
    struct commit_head c = {.stored_us = 1790000000000000ull, .envelope_bytes = 0};
    uint8_t *data = payload + sizeof(c);
    size_t n = house_envelope(data, 1000, id, "s@s.test", "a@r1.test b@r2.test", &c.recipients);

    c.envelope_bytes = (uint32_t)n + (detail & 1);
    memset(data + n, 'c', 100);
    c.total_bytes = n + 100 + (detail >> 1 & 1);
    c.recipients += detail >> 2 & 1;
    c.content_crc = crc32c(0, data + n, 100);
    memcpy(payload, &c, sizeof(c));
    return (uint32_t)(sizeof(c) + n + 100);
}

static void add_record(struct maker *m, uint8_t kind, uint8_t detail, struct span bytes)
{
    struct record_head head = {.type = kind,
                               .message = 1 + (detail & 7),
                               .copy = detail >> 6,
                               .sequence = detail >> 3 & 7,
                               .length = (uint32_t)bytes.len};
    uint8_t *payload = m->bytes + m->at + RECORD_HEAD_BYTES;

    if (m->at + record_bytes((uint32_t)bytes.len + 2048) > SEGMENT)
        return;
    if (bytes.len > 0)
        memcpy(payload, bytes.ptr, bytes.len);
    if (kind == RECORD_COMMIT && bytes.len < sizeof(struct commit_head))
        head.length = commit(payload, head.message, bytes.len > 0 ? bytes.ptr[0] : 0);
    record_seal(m->bytes + m->at, m->birth * 77, &head);
    m->at += record_bytes(head.length);
}

static void build(struct maker *m, const uint8_t *data, size_t size)
{
    begin(m, 1);
    while (size >= 4 && m->birth < 12) {
        uint8_t kind = data[0] & 15, detail = data[1];
        size_t n = (size_t)(data[2] | data[3] << 8);

        data += 4;
        size -= 4;
        if (n > size)
            n = size;
        if (kind >= RECORD_DATA && kind <= RECORD_TRIM) {
            add_record(m, kind, detail, span_of(data, n));
        } else if (kind == 6) {
            end(m);
            begin(m, detail % (m->birth + 1));
        } else if (kind == 7) {
            m->at = align_up(m->at, SEGMENT_BLOCK) % SEGMENT;
        } else if (m->at + n <= SEGMENT) {
            memcpy(m->bytes + m->at, data, n);
            m->at += (uint32_t)n / 8 * 8;
        }
        data += n;
        size -= n;
    }
    end(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct disk disk;
    static struct maker maker;
    static struct house h;
    static const enum attempt_result results[] = {ATTEMPT_DELIVERED, ATTEMPT_DEFERRED};
    uint64_t messages;

    if (size > BYTES_MAX)
        return 0;
    disk_init(&disk, 1);
    maker = (struct maker){.birth = 1, .disk = &disk};
    build(&maker, data, size);
    house_init(&h, &disk);
    if (house_open(&h) < 0) {
        disk_done(&disk);
        return 0;
    }
    messages = index_count(h.q->index);
    house_close(&h, false);
    if (house_open(&h) < 0 || index_count(h.q->index) != messages)
        abort();
    queue_deliver_here(h.q, &h.port);
    for (int i = 0; i < 3; i++) {
        house_settle(&h);
        while (h.packets_n > 0)
            house_outcome(&h, 0, results, 2);
    }
    house_settle(&h);
    messages = index_count(h.q->index);
    house_close(&h, false);
    if (house_open(&h) < 0 || index_count(h.q->index) != messages)
        abort();
    house_close(&h, true);
    disk_done(&disk);
    return 0;
}
