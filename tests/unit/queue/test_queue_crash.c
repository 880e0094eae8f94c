/* Goal: power loss at any instant loses nothing acknowledged, and delivers nothing again whose
 * outcome was durable (requirement G1).  Method: generated workloads against a model, over a
 * disk that forgets what was not synced; the power goes at the n-th call, for every n of a
 * short workload and for random n of long ones; then recovery is compared with the model and the
 * work goes on.  A failing run prints its seed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "queue_house.h"

#define MESSAGES   2000
#define RECIPIENTS 3

enum fate { UNSENT, SENDING, SENT, ACKED, REFUSED, CANCELLED };

struct sent {
    enum fate fate;
    bool cancelling;
    struct spool_ask ask; /* SENDING: what is still to come */
    uint8_t last[IPC_CHUNK_BYTES];
    size_t content;
    uint32_t recipients;
    bool told[RECIPIENTS], durable[RECIPIENTS]; /* delivered */
};

struct world {
    struct disk disk;
    struct house h;
    struct rand rand;
    struct sent sent[MESSAGES];
    uint32_t next;
    uint64_t base; /* ids */
    uint64_t seed;
};

static const char *const recipients[RECIPIENTS] = {"u0@r1.test", "u0@r1.test u1@r2.test",
                                                   "u0@r1.test u1@r2.test u2@r1.test"};

#define check(w, cond)                                                                             \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            print_message("# seed %llu crash at call %llu\n", (unsigned long long)(w)->seed,       \
                          (unsigned long long)(w)->disk.calls);                                    \
            assert_true(cond);                                                                     \
        }                                                                                          \
    } while (0)

static void read_answers(struct world *w)
{
    struct spool_answer a;

    while (house_answer(&w->h, &a)) {
        struct sent *s = &w->sent[a.message - w->base];

        check(w, a.message >= w->base && a.message < w->base + MESSAGES);
        if (a.type == SPOOL_DURABLE)
            s->fate = ACKED;
        else if (a.type == SPOOL_REFUSED)
            s->fate = REFUSED;
        else if (a.type == SPOOL_CANCELLED)
            s->fate = CANCELLED;
    }
}

static void turn(struct world *w)
{
    house_turn(&w->h);
    read_answers(w);
}

static void begin_message(struct world *w)
{
    struct sent *s;

    if (w->next == MESSAGES)
        return;
    while (ring_room(&w->h.to_peer) < IPC_RING_TO_PEER - 1000 && !w->disk.crashed)
        turn(w); /* the arena must not be lent twice */
    if (w->disk.crashed)
        return;
    s = &w->sent[w->next];
    s->recipients = 1 + (uint32_t)rand_below(&w->rand, RECIPIENTS);
    s->content =
        rand_below(&w->rand, 10) == 0 ? rand_below(&w->rand, 60000) : rand_below(&w->rand, 6000);
    s->ask = house_data(&w->h, w->base + w->next++, "s@s.test", recipients[s->recipients - 1],
                        s->content, 200 + (uint32_t)rand_below(&w->rand, IPC_CHUNK_BYTES - 199));
    memcpy(s->last, ipc_chunk(&w->h.region, IPC_CHUNKS - 1), s->ask.bytes);
    s->fate = SENDING;
}

static void end_message(struct world *w, struct sent *s)
{
    uint32_t n = s->ask.bytes;

    if (rand_below(&w->rand, 20) == 0) {
        s->ask.type = SPOOL_ABORT;
        n = 0;
    }
    house_ask(&w->h, &s->ask, s->last, n);
    s->fate = SENT;
}

static void cancel_message(struct world *w, struct sent *s)
{
    s->ask.type = SPOOL_CANCEL;
    house_ask(&w->h, &s->ask, NULL, 0);
    s->cancelling = true;
}

static void answer_attempt(struct world *w)
{
    uint32_t i = (uint32_t)rand_below(&w->rand, w->h.packets_n);
    struct attempt a = house_attempt(&w->h.packets[i]);
    struct sent *s = &w->sent[a.head.message - w->base];
    enum attempt_result results[RECIPIENTS];

    /* One given up for lack of an answer may have lost its segments meanwhile. */
    if (w->h.q->attempts.slots[a.head.attempt & 0xff].token != a.head.attempt) {
        house_outcome(&w->h, i, (const enum attempt_result[]){ATTEMPT_DEFERRED}, 1);
        return;
    }
    check(w, house_read(&w->h, &w->h.packets[i], &a));
    check(w, s->fate != CANCELLED && s->fate != SENDING);
    for (uint32_t r = 0; r < a.head.recipients; r++) {
        uint32_t which = (uint32_t)(a.recipients[r].ptr[1] - '0');
        uint64_t dice = rand_below(&w->rand, 100);

        check(w, which < s->recipients && !s->told[which]); /* never twice within one life */
        results[r] = dice < 60 ? ATTEMPT_DELIVERED : dice < 98 ? ATTEMPT_DEFERRED : ATTEMPT_FAILED;
        if (results[r] == ATTEMPT_DELIVERED)
            s->told[which] = true;
    }
    house_outcome(&w->h, i, results, RECIPIENTS);
}

static void settle(struct world *w)
{
    house_settle(&w->h);
    read_answers(w);
    if (w->disk.crashed || !qlog_idle(w->h.q->log) || w->h.q->dirty_first != NULL)
        return;
    for (uint32_t i = 0; i < w->next; i++)
        memcpy(w->sent[i].durable, w->sent[i].told, sizeof(w->sent[i].told));
}

static void step(struct world *w)
{
    struct sent *s = w->next == 0 ? NULL : &w->sent[rand_below(&w->rand, w->next)];
    uint64_t dice = rand_below(&w->rand, 100);

    for (int i = 0; i < 30 && dice >= 25 && dice < 50 && s != NULL && s->fate != SENDING; i++)
        s = &w->sent[rand_below(&w->rand, w->next)];
    if (dice < 22)
        begin_message(w);
    else if (dice < 50 && s != NULL && s->fate == SENDING)
        end_message(w, s);
    else if (dice < 53 && s != NULL && s->fate == SENT && !s->cancelling)
        cancel_message(w, s);
    else if (dice < 75 && w->h.packets_n > 0)
        answer_attempt(w);
    else if (dice < 77)
        house_pass(&w->h, 20000000);
    else if (dice < 78)
        settle(w);
    else
        turn(w);
}

/* The power goes; what comes back must agree with what was promised. */
static void crash_and_check(struct world *w)
{
    uint64_t calls = w->disk.calls;

    /* The dice are thrown before the crashed process's memory goes: a write may be under way. */
    w->disk.crashed = true;
    disk_crash(&w->disk);
    w->disk.crashed = true; /* and what it does in its death throes reaches nothing */
    house_close(&w->h, true);
    for (int i = 0; i < DISK_FILES; i++)
        w->disk.files[i].opens = 0;
    w->disk.crashed = false;
    w->disk.calls = calls;
    check(w, house_open(&w->h) == 0);
    for (uint32_t i = 0; i < w->next; i++) {
        struct sent *s = &w->sent[i];
        struct message *m = index_find(w->h.q->index, w->base + i);

        if (s->fate == CANCELLED || s->fate == SENDING)
            check(w, m == NULL);
        for (uint32_t r = 0; r < s->recipients; r++) {
            if (s->fate == ACKED && !s->told[r])
                check(w, m != NULL && m->recipients[r].state != RECIPIENT_DELIVERED);
            if (m != NULL && s->durable[r])
                check(w, m->recipients[r].state == RECIPIENT_DELIVERED);
            /* What the log says now is the truth from here on. */
            s->told[r] = s->durable[r] = m == NULL || m->recipients[r].state == RECIPIENT_DELIVERED;
        }
        if (m == NULL && s->fate != ACKED)
            s->fate = CANCELLED; /* never to be seen again */
        else
            s->fate = ACKED;
    }
    queue_deliver_here(w->h.q, &w->h.port);
}

/* Everything still alive can be read and delivered. */
static void drain(struct world *w)
{
    for (int i = 0; i < 400; i++) {
        settle(w);
        while (w->h.packets_n > 0) {
            struct attempt a = house_attempt(&w->h.packets[0]);
            static const enum attempt_result all[] = {ATTEMPT_DELIVERED};

            if (w->h.q->attempts.slots[a.head.attempt & 0xff].token == a.head.attempt)
                check(w, house_read(&w->h, &w->h.packets[0], &a));
            house_outcome(&w->h, 0, all, 1);
        }
        house_pass(&w->h, 30000000);
        if (sched_waiting(w->h.q->sched) + sched_ready(w->h.q->sched) +
                sched_active(w->h.q->sched) ==
            0)
            break;
    }
    settle(w);
    for (struct message *m = index_after(w->h.q->index, 0); m != NULL;
         m = index_after(w->h.q->index, m->id))
        check(w, m->waiting == 0 && m->held > 0);
}

static uint64_t run(uint64_t seed, uint64_t crash_call, uint32_t steps, uint32_t lives, bool slow)
{
    struct world *w = calloc(1, sizeof(*w));
    uint64_t calls;

    w->seed = seed;
    w->base = 1000;
    rand_seed(&w->rand, seed, 11);
    disk_init(&w->disk, seed);
    w->disk.slow = slow;
    house_init(&w->h, &w->disk);
    w->h.settings.seed = seed + 77;
    check(w, house_open(&w->h) == 0);
    queue_deliver_here(w->h.q, &w->h.port);
    w->disk.calls = 0;
    for (uint32_t life = 0; life < lives; life++) {
        w->disk.crash_call =
            crash_call == 0 ? w->disk.calls + 1 + rand_below(&w->rand, 4000) : crash_call;
        for (uint32_t i = 0; i < steps && !w->disk.crashed; i++)
            step(w);
        calls = w->disk.calls;
        if (crash_call != 0 && crash_call != UINT64_MAX && !w->disk.crashed)
            break;
        w->h.settings.seed++;
        crash_and_check(w);
    }
    calls = w->disk.calls;
    w->disk.crash_call = 0;
    drain(w);
    house_close(&w->h, false);
    disk_done(&w->disk);
    free(w);
    return calls;
}

static void power_goes_at_every_call(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 2; seed++)
        for (uint64_t call = 1; call <= 150; call++)
            run(seed, call, 300, 1, false);
}

static void power_goes_again_and_again(void **state)
{
    (void)state;
    for (uint64_t seed = 100; seed < 116; seed++)
        run(seed, 0, 6000, 4, (seed & 1) != 0);
}

/* --seed S --seeds N: only the long lives, N of them, for soaking. */
static int soak(int argc, char **argv)
{
    uint64_t seed = 1, seeds = 1;

    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--seed") == 0)
            seed = strtoull(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--seeds") == 0)
            seeds = strtoull(argv[i + 1], NULL, 10);
    }
    for (; seeds > 0; seeds--, seed++)
        run(seed, 0, 6000, 4, (seed & 1) != 0);
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(power_goes_at_every_call),
        cmocka_unit_test(power_goes_again_and_again),
    };

    if (argc > 1)
        return soak(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
