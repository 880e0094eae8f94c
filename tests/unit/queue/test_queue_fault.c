/* Goal: a disk that fails costs the mail it failed for, nothing else.  Method: the n-th call to
 * the disk fails, for every n of a workload, with EIO and ENOSPC, once or for a while; nothing
 * is called durable that a restart does not bring back, and when the disk is well mail flows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "queue_house.h"

#define MESSAGES 24

static enum spool_answer_type answers[MESSAGES];

static void collect(struct house *h)
{
    struct spool_answer a;

    while (house_answer(h, &a))
        if (a.message >= 100 && a.message < 100 + MESSAGES)
            answers[a.message - 100] = (enum spool_answer_type)a.type;
}

static void workload(struct house *h)
{
    static const enum attempt_result deferred[] = {ATTEMPT_DEFERRED};

    memset(answers, 0, sizeof(answers));
    for (uint32_t i = 0; i < MESSAGES; i++) {
        house_message(h, 100 + i, "a@r1.test", i % 3 == 0 ? 30000 : 700, 9000);
        for (int t = 0; t < 12; t++)
            house_turn(h);
        collect(h);
        if (h->packets_n > 0 && i % 2 == 0)
            house_outcome(h, 0, deferred, 1);
    }
    for (int t = 0; t < 50; t++) {
        house_turn(h);
        house_pass(h, 300000);
        collect(h);
    }
}

/* Returns false when the call number is past the end of the workload. */
static bool run(uint64_t call, uint64_t n, int error)
{
    struct disk *disk = calloc(1, sizeof(*disk));
    struct house h;
    bool reached;

    disk_init(disk, call);
    house_init(&h, disk);
    assert_int_equal(house_open(&h), 0);
    queue_deliver_here(h.q, &h.port);
    disk->calls = 0;
    disk->fail_call = call;
    disk->fail_until = call + n - 1;
    disk->fail_error = error;
    workload(&h);
    reached = disk->calls >= call;
    for (uint32_t i = 0; i < MESSAGES; i++) /* each gets its verdict, one way or the other */
        if (answers[i] != SPOOL_DURABLE && answers[i] != SPOOL_REFUSED)
            fail_msg("call %llu error %d: message %u has no verdict", (unsigned long long)call,
                     error, i);
    /* The disk is well again: so is the queue. */
    disk->fail_call = 0;
    house_pass(&h, 20000000);
    house_settle(&h);
    house_pass(&h, 20000000);
    house_settle(&h);
    house_message(&h, 500, "a@r1.test", 100, 16384);
    assert_int_equal(house_verdict(&h, 500), SPOOL_DURABLE);
    house_settle(&h);
    disk->crashed = true;
    disk_crash(disk);
    house_close(&h, true);
    for (int i = 0; i < DISK_FILES; i++)
        disk->files[i].opens = 0;
    assert_int_equal(house_open(&h), 0);
    for (uint32_t i = 0; i < MESSAGES; i++) {
        struct message *m = index_find(h.q->index, 100 + i);

        if ((answers[i] == SPOOL_DURABLE) != (m != NULL))
            fail_msg("call %llu error %d: message %u %s", (unsigned long long)call, error, i,
                     m != NULL ? "was refused but is there" : "is lost");
    }
    assert_non_null(index_find(h.q->index, 500));
    house_close(&h, false);
    disk_done(disk);
    free(disk);
    return reached;
}

static void any_one_call_may_fail(void **state)
{
    (void)state;
    for (uint64_t call = 1; run(call, 1, -EIO); call++)
        ;
}

static void any_one_call_may_find_no_room(void **state)
{
    (void)state;
    for (uint64_t call = 1; run(call, 1, -ENOSPC); call++)
        ;
}

static void the_disk_may_be_ill_for_a_while(void **state)
{
    (void)state;
    for (uint64_t call = 1; run(call, 7, -EIO); call += 3)
        ;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_one_call_may_fail),
        cmocka_unit_test(any_one_call_may_find_no_room),
        cmocka_unit_test(the_disk_may_be_ill_for_a_while),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
