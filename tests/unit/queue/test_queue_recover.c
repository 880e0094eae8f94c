/* Goal: what a start makes of what it finds: torn tails, stale records, imitations, foreign
 * files.  Method: real logs written by the queue over the simulated disk, then spoiled. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "queue_house.h"

static const enum attempt_result delivered[] = {ATTEMPT_DELIVERED};

struct fixture {
    struct disk disk;
    struct house h;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    disk_init(&f->disk, 1);
    house_init(&f->h, &f->disk);
    assert_int_equal(house_open(&f->h), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    if (f->h.q != NULL)
        house_close(&f->h, false);
    disk_done(&f->disk);
    free(f);
    return 0;
}

static struct recovery recover(struct fixture *f)
{
    struct recovery found;
    const char *why;

    /* Once for the figures, then the real opening. */
    struct queue *q = calloc(1, sizeof(*q));
    struct qlog_config config = {.io = &f->disk.io,
                                 .segment_bytes = f->h.settings.segment_bytes,
                                 .batch_bytes = f->h.settings.batch_bytes,
                                 .limit_bytes = f->h.settings.limit_bytes,
                                 .seed = 3};

    q->settings = f->h.settings;
    q->io = &f->disk.io;
    q->wall_us = f->h.wall_us;
    report_init(q);
    q->index = index_new(1);
    q->sched = sched_new(1, 1);
    q->log = qlog_new(&config);
    attempts_init(q);
    assert_int_equal(queue_recover(q, &found, &why), 0);
    queue_close(q, true);
    return found;
}

/* The segment file whose header says this birth. */
static struct disk_file *segment_file(struct fixture *f, uint64_t birth)
{
    for (int i = 0; i < DISK_FILES; i++) {
        struct disk_file *d = &f->disk.files[i];
        struct segment_header head;

        if (strncmp(d->name, "segment-", 8) == 0 && d->bytes >= SEGMENT_BLOCK &&
            segment_header_get(d->cache, &head) == 0 && head.birth == birth)
            return d;
    }
    return NULL;
}

static void a_torn_tail_costs_only_itself(void **state)
{
    struct fixture *f = *state;
    struct disk_file *d;
    uint8_t *whole;
    uint32_t at, end;

    house_message(&f->h, 10, "a@r1.test", 100, 16384);
    assert_int_equal(house_verdict(&f->h, 10), SPOOL_DURABLE);
    house_message(&f->h, 11, "a@r1.test", 100, 16384);
    assert_int_equal(house_verdict(&f->h, 11), SPOOL_DURABLE);
    const struct message *m = index_find(f->h.q->index, 11);

    at = m->body.extents[0].offset - RECORD_HEAD_BYTES - (uint32_t)sizeof(struct commit_head);
    end = m->body.extents[0].offset + m->body.extents[0].bytes;
    d = segment_file(f, m->body.extents[0].segment->birth);
    house_close(&f->h, false);
    whole = malloc(d->bytes);
    memcpy(whole, d->cache, d->bytes);
    for (uint32_t cut = at; cut < end; cut++) { /* zeros from here: the sectors never came */
        memset(d->cache + cut, 0, end - cut);
        if (memcmp(d->cache, whole, end) == 0)
            continue; /* its last bytes were zeros */
        struct recovery found = recover(f);

        assert_int_equal(found.messages, 1);
        memcpy(d->cache, whole, d->bytes);
    }
    for (uint32_t i = at; i < end; i++) { /* and any one byte that is not what it was */
        d->cache[i] ^= 0x10;
        assert_int_equal(recover(f).messages, 1);
        d->cache[i] ^= 0x10;
    }
    assert_int_equal(recover(f).messages, 2);
    free(whole);
    assert_int_equal(house_open(&f->h), 0);
    assert_non_null(index_find(f->h.q->index, 11));
}

static void a_new_life_begins_a_new_segment(void **state)
{
    struct fixture *f = *state;

    house_message(&f->h, 10, "a@r1.test", 100, 16384);
    assert_int_equal(house_verdict(&f->h, 10), SPOOL_DURABLE);
    house_close(&f->h, false);
    assert_int_equal(house_open(&f->h), 0);
    house_message(&f->h, 11, "a@r1.test", 100, 16384);
    assert_int_equal(house_verdict(&f->h, 11), SPOOL_DURABLE);
    assert_true(index_find(f->h.q->index, 11)->body.commit->birth >
                index_find(f->h.q->index, 10)->body.commit->birth);
}

/* A message whose content is a record of the log, at every place a scan could look. */
static void an_imitated_record_is_not_believed(void **state)
{
    struct fixture *f = *state;
    struct record_head head = {.type = RECORD_DONE, .message = 10};
    uint8_t record[RECORD_HEAD_BYTES], bytes[IPC_CHUNK_BYTES];
    struct spool_ask ask = {.message = 12, .session = handle_make(0, 1, 1)};
    size_t n;

    house_message(&f->h, 10, "a@r1.test", 100, 16384);
    assert_int_equal(house_verdict(&f->h, 10), SPOOL_DURABLE);
    record_seal(record, 4711, &head); /* its sender cannot know the tag */
    n = house_envelope(bytes, sizeof(bytes), 12, "s@s.test", "a@r1.test", &ask.recipients);
    ask.envelope_bytes = (uint32_t)n;
    while (n + sizeof(record) <= 16000) {
        memcpy(bytes + n, record, sizeof(record));
        n += sizeof(record);
    }
    ask.total_bytes = n;
    ask.type = SPOOL_COMMIT;
    house_ask(&f->h, &ask, bytes, (uint32_t)n);
    assert_int_equal(house_verdict(&f->h, 12), SPOOL_DURABLE);
    const struct segment *s = index_find(f->h.q->index, 12)->body.commit;
    struct disk_file *d = segment_file(f, s->birth);
    uint32_t at = index_find(f->h.q->index, 12)->body.extents[0].offset;

    house_close(&f->h, false);
    memset(d->cache + at - 100, 0, 60); /* its head is torn off: the scan stands before it */
    assert_int_equal(recover(f).messages, 1);
    assert_int_equal(house_open(&f->h), 0);
    assert_non_null(index_find(f->h.q->index, 10));
}

static void stale_records_of_recycled_segments_are_nothing(void **state)
{
    struct fixture *f = *state;

    queue_deliver_here(f->h.q, &f->h.port);
    for (uint64_t round = 0; round < 30; round++) { /* through all segments, again and again */
        for (uint64_t i = 0; i < 10; i++)
            house_message(&f->h, 1000 + round * 10 + i, "a@r1.test", 9000, 16384);
        house_settle(&f->h);
        while (f->h.packets_n > 0)
            house_outcome(&f->h, 0, delivered, 1);
        house_settle(&f->h);
    }
    struct qlog_figures figures;

    qlog_figures(f->h.q->log, &figures);
    assert_true(figures.segments <= 3);
    assert_true(figures.segments + figures.spares <= 3 + SPARES_MAX);
    house_message(&f->h, 5000, "a@r1.test", 100, 16384);
    assert_int_equal(house_verdict(&f->h, 5000), SPOOL_DURABLE);
    house_close(&f->h, false);
    assert_int_equal(recover(f).messages, 1);
    assert_int_equal(house_open(&f->h), 0);
    assert_int_equal(index_count(f->h.q->index), 1);
    assert_non_null(index_find(f->h.q->index, 5000));
}

static void foreign_files_are_named_and_left_alone(void **state)
{
    struct fixture *f = *state;
    struct recovery found;
    int theirs, ours;

    house_close(&f->h, false);
    disk_put(&f->disk, "core.1234", "x", 1);
    disk_put(&f->disk, "segment-1", "x", 1);
    disk_put(&f->disk, "segment-00000000", "x", 1);
    disk_put(&f->disk, "lock", "", 0);
    ours = disk_put(&f->disk, "filling-00000099", "x", 1);
    theirs = disk_put(&f->disk, "segment-00000077", "x", 1);
    f->disk.files[theirs].bad = "belongs to another user";
    found = recover(f);
    assert_int_equal(found.foreign, 4);
    assert_string_equal(f->disk.files[theirs].name, "segment-00000077");
    assert_true(f->disk.files[ours].gone || f->disk.files[ours].name[0] == '\0');
    assert_int_equal(house_open(&f->h), 0);
    house_message(&f->h, 10, "a@r1.test", 100, 16384);
    assert_int_equal(house_verdict(&f->h, 10), SPOOL_DURABLE);
    assert_int_equal(f->disk.files[theirs].cache[0], 'x');
}

static void a_damaged_header_is_left_alone(void **state)
{
    struct fixture *f = *state;
    struct disk_file *d;
    struct recovery found;

    house_message(&f->h, 10, "a@r1.test", 100, 16384);
    assert_int_equal(house_verdict(&f->h, 10), SPOOL_DURABLE);
    d = segment_file(f, index_find(f->h.q->index, 10)->body.commit->birth);
    house_close(&f->h, false);
    d->cache[20] ^= 1;
    found = recover(f);
    assert_int_equal(found.damaged, 1);
    assert_int_equal(found.messages, 0);
    d->cache[20] ^= 1; /* whoever mends it gets the mail back */
    assert_int_equal(recover(f).messages, 1);
    assert_int_equal(house_open(&f->h), 0);
}

static void two_files_for_one_place_are_refused(void **state)
{
    struct fixture *f = *state;
    struct disk_file *d;

    house_message(&f->h, 10, "a@r1.test", 100, 16384);
    assert_int_equal(house_verdict(&f->h, 10), SPOOL_DURABLE);
    d = segment_file(f, index_find(f->h.q->index, 10)->body.commit->birth);
    house_close(&f->h, false);
    int copy = disk_put(&f->disk, "segment-00000555", d->cache, d->bytes);

    assert_int_equal(house_open(&f->h), -EEXIST);
    assert_non_null(strstr(f->h.why, "same place"));
    disk_free_file(&f->disk.files[copy]);
    assert_int_equal(house_open(&f->h), 0);
    assert_int_equal(index_count(f->h.q->index), 1);
}

static void another_segment_size_keeps_the_mail(void **state)
{
    struct fixture *f = *state;

    house_message(&f->h, 10, "a@r1.test", 100, 16384);
    assert_int_equal(house_verdict(&f->h, 10), SPOOL_DURABLE);
    house_close(&f->h, false);
    f->h.settings.segment_bytes *= 2;
    f->h.settings.limit_bytes *= 2;
    assert_int_equal(house_open(&f->h), 0);
    assert_non_null(index_find(f->h.q->index, 10));
    house_message(&f->h, 11, "a@r1.test", 100, 16384);
    assert_int_equal(house_verdict(&f->h, 11), SPOOL_DURABLE);
    queue_deliver_here(f->h.q, &f->h.port);
    house_settle(&f->h);
    while (f->h.packets_n > 0)
        house_outcome(&f->h, 0, delivered, 1);
    house_settle(&f->h);
    house_close(&f->h, false);
    assert_int_equal(house_open(&f->h), 0);
    assert_int_equal(index_count(f->h.q->index), 0);
}

static void nothing_uncommitted_comes_back(void **state)
{
    struct fixture *f = *state;
    struct recovery found;

    (void)house_data(&f->h, 7, "s@s.test", "a@r1.test", 50000, 5000);
    house_settle(&f->h);
    house_close(&f->h, false);
    found = recover(f);
    assert_int_equal(found.messages, 0);
    assert_int_equal(found.incomplete, 1);
    assert_int_equal(house_open(&f->h), 0);
}

static void more_than_the_limit_is_kept(void **state)
{
    struct fixture *f = *state;

    for (uint64_t i = 0; i < 20; i++)
        house_message(&f->h, 100 + i, "a@r1.test", 20000, 16384);
    house_settle(&f->h);
    house_close(&f->h, false);
    f->h.settings.limit_bytes = f->h.settings.segment_bytes * 2;
    f->h.settings.limit_messages = 5;
    assert_int_equal(house_open(&f->h), 0);
    assert_int_equal(index_count(f->h.q->index), 20);
    assert_true(f->h.q->room.shut);
    queue_deliver_here(f->h.q, &f->h.port);
    for (int i = 0; i < 10; i++) {
        house_settle(&f->h);
        while (f->h.packets_n > 0)
            house_outcome(&f->h, 0, delivered, 1);
    }
    assert_int_equal(index_count(f->h.q->index), 0); /* and it still gets out */
    house_settle(&f->h);
    assert_false(f->h.q->room.shut);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(a_torn_tail_costs_only_itself),
        T(a_new_life_begins_a_new_segment),
        T(an_imitated_record_is_not_believed),
        T(stale_records_of_recycled_segments_are_nothing),
        T(foreign_files_are_named_and_left_alone),
        T(a_damaged_header_is_left_alone),
        T(two_files_for_one_place_are_refused),
        T(another_segment_size_keeps_the_mail),
        T(nothing_uncommitted_comes_back),
        T(more_than_the_limit_is_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
