/* Goal: the orders of requirement G4, with all filters, in slices, with answers that fit; and the
 * index under them.  Method: a queue with a few hundred messages in known states; texts in, JSON
 * out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>

#include "ipc_id.h"
#include "queue_admin.h"
#include "queue_house.h"

static const enum attempt_result deferred[] = {ATTEMPT_DEFERRED};
static const enum attempt_result delivered[] = {ATTEMPT_DELIVERED};

struct fixture {
    struct disk disk;
    struct house h;
    struct admin *admin;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    disk_init(&f->disk, 1);
    house_init(&f->h, &f->disk);
    assert_int_equal(house_open(&f->h), 0);
    f->admin = admin_new();
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    admin_free(f->admin);
    house_close(&f->h, false);
    disk_done(&f->disk);
    free(f);
    return 0;
}

static json_t *order(struct fixture *f, const char *text)
{
    uint32_t token = 0;
    char *answer;
    json_t *o;

    assert_int_equal(admin_order(f->admin, 77, text), 0);
    while (!admin_turn(f->h.q, f->admin, &token, &answer))
        ;
    assert_int_equal(token, 77);
    assert_true(strlen(answer) < 64 * 1024);
    o = json_loads(answer, 0, NULL);
    assert_non_null(o);
    free(answer);
    return o;
}

static json_int_t number(struct fixture *f, const char *text, const char *key)
{
    json_t *o = order(f, text);
    json_int_t n =
        json_is_true(json_object_get(o, "ok")) ? json_integer_value(json_object_get(o, key)) : -1;

    json_decref(o);
    return n;
}

static void send(struct fixture *f, uint64_t id, const char *sender, const char *recipients)
{
    struct spool_ask ask = house_data(&f->h, id, sender, recipients, 10, 16384);

    house_commit(&f->h, &ask);
    assert_int_equal(house_verdict(&f->h, id), SPOOL_DURABLE);
}

static void counts_by_filter(void **state)
{
    static const struct {
        const char *filter;
        json_int_t n;
    } rows[] = {
        {"{}",                                                   4 },
        {"null",                                                 4 },
        {"{\"sender\":\"A@s.test\"}",                            2 },
        {"{\"sender\":\"<>\"}",                                  1 },
        {"{\"recipient\":\"X@R1.test\"}",                        3 },
        {"{\"domain\":\"r2.test\"}",                             2 },
        {"{\"domain\":\"r2.test\",\"recipient\":\"x@r1.test\"}", 0 }, /* of one recipient */
        {"{\"domain\":\"r2.test\",\"sender\":\"a@s.test\"}",     1 },
        {"{\"state\":\"queued\"}",                               4 },
        {"{\"state\":\"held\"}",                                 0 },
        {"{\"state\":\"nonsense\"}",                             -1},
        {"{\"id\":\"0000000000034\"}",                           1 },
        {"{\"id\":\"0000000000099\"}",                           0 },
        {"{\"id\":\"what\"}",                                    -1},
        {"7",                                                    -1},
    };
    struct fixture *f = *state;
    char text[256];

    send(f, 100, "a@s.test", "x@r1.test");
    send(f, 101, "a@s.test", "x@r1.test y@r2.test");
    send(f, 102, "b@s.test", "x@r1.test");
    send(f, 103, "", "y@r2.test");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        snprintf(text, sizeof(text), "{\"order\":\"count\",\"filter\":%s}", rows[i].filter);
        if (number(f, text, "count") != rows[i].n)
            fail_msg("%s", rows[i].filter);
    }
    assert_int_equal(number(f, "{\"order\":\"burn\"}", "count"), -1);
    assert_int_equal(number(f, "not json", "count"), -1);
    assert_int_equal(number(f, "{\"order\":\"show\"}", "count"), -1);
}

static void lists_page_by_page(void **state)
{
    struct fixture *f = *state;
    char text[128] = "{\"order\":\"list\",\"limit\":70}";
    uint32_t seen = 0, pages = 0;
    uint64_t last = 0;

    for (uint64_t id = 100; id < 500; id++)
        house_message(&f->h, id, "a@r1.test", 10, 16384);
    house_settle(&f->h);
    for (;;) {
        json_t *o = order(f, text), *m;
        const char *more = json_string_value(json_object_get(o, "more"));
        size_t i;

        json_array_foreach(json_object_get(o, "messages"), i, m)
        {
            uint64_t id;
            const char *s = json_string_value(json_object_get(m, "id"));

            assert_int_equal(id_parse(span_str(s), &id), 0);
            assert_true(id > last);
            last = id;
            seen++;
        }
        pages++;
        if (more != NULL)
            snprintf(text, sizeof(text), "{\"order\":\"list\",\"limit\":70,\"after\":\"%s\"}",
                     more);
        json_decref(o);
        if (more == NULL)
            break;
    }
    assert_int_equal(seen, 400);
    assert_int_equal(pages, 6);
}

static void a_list_fits_its_answer(void **state)
{
    struct fixture *f = *state;
    static char many[20000];
    size_t at = 0;
    json_t *o, *m;

    for (int i = 0; i < 300; i++)
        at += (size_t)snprintf(many + at, sizeof(many) - at, "a-rather-long-local-part-%d@r1.test ",
                               i);
    many[at - 1] = '\0';
    for (uint64_t id = 100; id < 140; id++)
        send(f, id, "a@s.test", many);
    o = order(f, "{\"order\":\"list\"}"); /* order() checks the length */
    assert_true(json_is_string(json_object_get(o, "more")));
    json_decref(o);
    o = order(f, "{\"order\":\"show\",\"filter\":{\"id\":\"0000000000034\"}}");
    m = json_object_get(o, "message");
    assert_int_equal(json_integer_value(json_object_get(m, "recipients_total")), 300);
    json_decref(o);
}

static void show_tells_all(void **state)
{
    struct fixture *f = *state;
    json_t *o, *m, *r;

    queue_deliver_here(f->h.q, &f->h.port);
    send(f, 100, "a@s.test", "x@r1.test z@nowhere.example");
    house_settle(&f->h);
    house_outcome(&f->h, 0, deferred, 1);
    o = order(f, "{\"order\":\"show\",\"filter\":{\"id\":\"0000000000034\"}}");
    m = json_object_get(o, "message");
    r = json_array_get(json_object_get(m, "recipients"), 0);
    assert_string_equal(json_string_value(json_object_get(m, "sender")), "a@s.test");
    assert_string_equal(json_string_value(json_object_get(r, "state")), "deferred");
    assert_string_equal(json_string_value(json_object_get(r, "reason")), "said so");
    assert_string_equal(json_string_value(json_object_get(r, "route")), "route1");
    assert_int_equal(json_integer_value(json_object_get(r, "attempts")), 1);
    assert_true(json_integer_value(json_object_get(r, "next")) > (json_int_t)f->h.wall_us);
    r = json_array_get(json_object_get(m, "recipients"), 1);
    assert_true(json_is_null(json_object_get(r, "route")));
    json_decref(o);
}

static void hold_release_flush_delete(void **state)
{
    struct fixture *f = *state;

    send(f, 100, "a@s.test", "x@r1.test y@r2.test");
    send(f, 101, "b@s.test", "x@r1.test");
    assert_int_equal(
        number(f, "{\"order\":\"hold\",\"filter\":{\"recipient\":\"x@r1.test\"}}", "held"), 2);
    queue_deliver_here(f->h.q, &f->h.port);
    house_settle(&f->h);
    assert_int_equal(f->h.packets_n, 1); /* y only */
    house_outcome(&f->h, 0, deferred, 1);
    house_settle(&f->h);
    house_close(&f->h, false); /* all of it is in the log */
    assert_int_equal(house_open(&f->h), 0);
    assert_int_equal(number(f, "{\"order\":\"count\",\"filter\":{\"state\":\"held\"}}", "count"),
                     2);
    queue_deliver_here(f->h.q, &f->h.port);
    house_settle(&f->h);
    assert_int_equal(f->h.packets_n, 0);
    assert_int_equal(
        number(f, "{\"order\":\"flush\",\"filter\":{\"state\":\"deferred\"}}", "flushed"), 1);
    house_settle(&f->h);
    assert_int_equal(f->h.packets_n, 1);
    assert_int_equal(
        number(f, "{\"order\":\"delete\",\"filter\":{\"recipient\":\"x@r1.test\"}}", "deleted"), 2);
    house_settle(&f->h);
    assert_int_equal(index_count(f->h.q->index), 1); /* 101 is gone; 100 still has y */
    house_outcome(&f->h, 0, delivered, 1);
    house_settle(&f->h);
    assert_int_equal(index_count(f->h.q->index), 0);
    send(f, 102, "b@s.test", "x@r1.test");
    house_settle(&f->h);
    assert_int_equal(number(f, "{\"order\":\"hold\"}", "held"), 1); /* it is under way */
    house_outcome(&f->h, 0, deferred, 1);
    house_settle(&f->h);
    assert_int_equal(number(f, "{\"order\":\"count\",\"filter\":{\"state\":\"held\"}}", "count"),
                     1);
    assert_int_equal(number(f, "{\"order\":\"release\"}", "released"), 1);
    house_settle(&f->h);
    assert_int_equal(f->h.packets_n, 1);
    assert_int_equal(number(f, "{\"order\":\"delete\"}", "deleted"), 1); /* under way again */
    assert_int_equal(number(f, "{\"order\":\"count\"}", "count"), 0);
    house_outcome(&f->h, 0, deferred, 1);
    house_settle(&f->h);
    assert_int_equal(index_count(f->h.q->index), 0);
    house_close(&f->h, false);
    assert_int_equal(house_open(&f->h), 0);
    assert_int_equal(index_count(f->h.q->index), 0);
}

static void what_waits_in_line_can_be_held_and_deleted(void **state)
{
    struct fixture *f = *state;

    queue_deliver_here(f->h.q, &f->h.port);
    for (uint64_t id = 0; id < DESTINATION_ACTIVE_MAX + 30; id++)
        send(f, 100 + id, "b@s.test", "x@r1.test");
    house_settle(&f->h);
    assert_int_equal(f->h.packets_n, DESTINATION_ACTIVE_MAX);
    assert_int_equal(
        number(f, "{\"order\":\"hold\",\"filter\":{\"id\":\"000000000003H\"}}", "held"), 1);
    assert_int_equal(number(f, "{\"order\":\"delete\"}", "deleted"), DESTINATION_ACTIVE_MAX + 30);
    house_settle(&f->h);
    assert_int_equal(index_count(f->h.q->index), DESTINATION_ACTIVE_MAX);
    while (f->h.packets_n > 0)
        house_outcome(&f->h, 0, deferred, 1);
    house_settle(&f->h);
    assert_int_equal(index_count(f->h.q->index), 0);
    assert_int_equal(sched_active(f->h.q->sched), 0);
}

static void orders_are_worked_in_slices(void **state)
{
    struct fixture *f = *state;
    uint32_t token, slices = 0;
    char *answer;

    for (uint64_t id = 100; id < 100 + 3 * TURN_ADMIN; id++) {
        house_message(&f->h, id, "a@r1.test", 1, 16384);
        if (id % 500 == 0)
            house_settle(&f->h);
        while (house_answer(&f->h, &(struct spool_answer){0}))
            ;
    }
    house_settle(&f->h);
    assert_int_equal(admin_order(f->admin, 1, "{\"order\":\"count\"}"), 0);
    while (!admin_turn(f->h.q, f->admin, &token, &answer))
        slices++;
    assert_true(slices >= 3);
    assert_string_equal(answer, "{\"ok\":true,\"count\":12288}");
    free(answer);
    for (uint32_t i = 0; i < ADMIN_WAITING_MAX; i++)
        assert_int_equal(admin_order(f->admin, i, "{\"order\":\"count\"}"), 0);
    assert_int_equal(admin_order(f->admin, 9, "{\"order\":\"count\"}"), -EBUSY);
    admin_forget(f->admin);
    assert_false(admin_busy(f->admin));
}

static void settings_can_change(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(number(f,
                            "{\"order\":\"settings\",\"retry_first_us\":5,\"retry_maximum_us\":6,"
                            "\"expire_us\":7,\"limit_messages\":1,\"reserve_bytes\":2,"
                            "\"limit_bytes\":9000000,\"sync\":\"never\"}",
                            "ok"),
                     0);
    assert_int_equal(f->h.q->settings.retry.first_us, 5);
    assert_int_equal(f->h.q->settings.retry.expire_us, 7);
    assert_int_equal(f->h.q->settings.limit_messages, 1);
    send(f, 100, "b@s.test", "x@r1.test");
    house_message(&f->h, 101, "a@r1.test", 1, 16384);
    assert_int_equal(house_verdict(&f->h, 101), SPOOL_REFUSED);
}

static void the_index_keeps_order(void **state)
{
    struct index *x = index_new(5);
    struct rand rand;
    static bool present[1000];
    uint8_t bytes[512];

    (void)state;
    rand_seed(&rand, 1, 1);
    for (int round = 0; round < 20000; round++) {
        uint64_t id = 1 + rand_below(&rand, 999);
        struct message *m = index_find(x, id);

        assert_int_equal(m != NULL, present[id]);
        if (m != NULL) {
            index_remove(x, m);
            message_free(x, m);
        } else {
            struct envelope env;
            const char *why;
            uint32_t n;
            size_t len = house_envelope(bytes, sizeof(bytes), id, "s@s.test", "a@r1.test", &n);

            assert_int_equal(envelope_parse(span_of(bytes, len), &env, &why), 0);
            m = message_make(x, &env);
            assert_true(index_insert(x, m));
            struct message *again = message_make(x, &env);

            assert_false(index_insert(x, again));
            message_free(x, again);
        }
        present[id] = !present[id];
    }
    uint64_t n = 0;

    for (uint64_t id = 1; id < 1000; id++)
        n += present[id];
    assert_int_equal(index_count(x), n);
    for (struct message *m = index_after(x, 0); m != NULL; m = index_after(x, m->id)) {
        assert_true(present[m->id]);
        n--;
    }
    assert_int_equal(n, 0);
    assert_true(index_bytes(x) > 0);
    assert_null(index_after(x, UINT64_MAX));
    index_free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(counts_by_filter),
        T(lists_page_by_page),
        T(a_list_fits_its_answer),
        T(show_tells_all),
        T(hold_release_flush_delete),
        T(what_waits_in_line_can_be_held_and_deleted),
        T(orders_are_worked_in_slices),
        T(settings_can_change),
        cmocka_unit_test(the_index_keeps_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
