/* test_tcp_sack.c - goal: RFC 2018 and RFC 2883 both ways, and nonsense is discarded. */
#include "tcp_peer.h"

static void expect_blocks(struct peer *p, uint32_t ack, unsigned count, const uint32_t blocks[][2])
{
    struct peer_sent *s = peer_expect(p, TCP_ACK, 1, ack, 0);

    assert_int_equal(s->seg.sack_count, count);
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(s->seg.sack[i].left - PEER_ISS, blocks[i][0]);
        assert_int_equal(s->seg.sack[i].right - PEER_ISS, blocks[i][1]);
    }
}

static void put(struct peer *p, uint32_t from, uint32_t to)
{
    static const uint8_t text[3000];

    if (peer_input(p, TCP_ACK, from, 1, text, to - from) == TCP_IN_CONN)
        peer_read(p);
    peer_flush(p);
}

static void reports_the_latest_first(void **state)
{
    struct peer *p = peer_new(NULL);

    (void)state;
    peer_open(p);
    put(p, 101, 201);
    expect_blocks(p, 1, 1, (const uint32_t[][2]){{101, 201}});
    put(p, 501, 601);
    expect_blocks(p, 1, 2, (const uint32_t[][2]){{501, 601}, {101, 201}});
    put(p, 301, 401);
    expect_blocks(p, 1, 3, (const uint32_t[][2]){{301, 401}, {501, 601}, {101, 201}});
    put(p, 201, 301); /* joins two */
    expect_blocks(p, 1, 2, (const uint32_t[][2]){{101, 401}, {501, 601}});
    put(p, 1, 101);
    expect_blocks(p, 401, 1, (const uint32_t[][2]){{501, 601}});
    put(p, 401, 501);
    expect_blocks(p, 601, 0, NULL);
    peer_free(p);
}

static void reports_four_or_three_with_timestamps(void **state)
{
    (void)state;
    for (unsigned timestamps = 0; timestamps < 2; timestamps++) {
        struct peer *p = peer_new(NULL);
        struct peer_sent *s = NULL, *last = NULL;

        if (timestamps)
            peer_open_timestamps(p);
        else
            peer_open(p);
        for (uint32_t i = 1; i < 7; i++)
            put(p, i * 100, i * 100 + 10);
        while ((s = peer_next(p)) != NULL)
            last = s;
        assert_int_equal(last->seg.sack_count, timestamps ? 3 : 4);
        peer_free(p);
    }
}

/* A piece that has just ended is told again while the next ones grow: an ACK may be lost, and one
 * answers for a burst.  Ever the lowest ones instead, and the sender would send again all between. */
static void pieces_are_told_again_while_others_grow(void **state)
{
    struct peer *p = peer_new(NULL);

    (void)state;
    peer_open(p);
    for (uint32_t at = 1000; at < 7000; at += 100) {
        if (at % 1000 != 0) /* 1100 to 2000, 2100 to 3000, … */
            peer_input(p, TCP_ACK, at, 1, (const uint8_t[100]){0}, 100);
        if (at % 300 == 0) {
            peer_flush(p);
            p->looked = p->count = 0;
        }
    }
    peer_input(p, TCP_ACK, 7100, 1, "x", 1);
    peer_flush(p);
    expect_blocks(p, 1, 4, (const uint32_t[][2]){{7100, 7101}, {6100, 7000}, {5100, 6000}, {4100, 5000}});
    peer_input(p, TCP_ACK, 2200, 1, "x", 1); /* a duplicate; its piece is the latest now */
    peer_flush(p);
    expect_blocks(p, 1, 4, (const uint32_t[][2]){{2200, 2201}, {2100, 3000}, {7100, 7101}, {6100, 7000}});
    peer_free(p);
}

static void not_without_permission(void **state)
{
    struct peer *p = peer_new(NULL);

    (void)state;
    peer_open_plain(p);
    put(p, 101, 201);
    expect_blocks(p, 1, 0, NULL);
    peer_free(p);
}

static void duplicates_are_reported(void **state)
{
    struct peer *p = peer_new(NULL);

    (void)state;
    peer_open(p);
    put(p, 1, 101);
    peer_wait(p, 50000);
    peer_expect(p, TCP_ACK, 1, 101, 0);
    put(p, 1, 101); /* whole */
    expect_blocks(p, 101, 1, (const uint32_t[][2]){{1, 101}});
    put(p, 51, 151); /* partly */
    expect_blocks(p, 151, 1, (const uint32_t[][2]){{51, 101}});
    put(p, 301, 401);
    expect_blocks(p, 151, 1, (const uint32_t[][2]){{301, 401}});
    put(p, 311, 321); /* of what is out of order */
    expect_blocks(p, 151, 2, (const uint32_t[][2]){{311, 321}, {301, 401}});
    assert_int_equal(peer_counter(p, TCP_COUNT_DSACK_SENT), 3);
    peer_free(p);
}

static void tell(struct peer *p, uint32_t ack, unsigned count, const uint32_t blocks[][2])
{
    struct tcp_seg seg = peer_seg(p, TCP_ACK, 1, ack, NULL, 0);

    seg.sack_count = (uint8_t)count;
    for (unsigned i = 0; i < count; i++) {
        seg.sack[i].left = p->iss + blocks[i][0];
        seg.sack[i].right = p->iss + blocks[i][1];
    }
    peer_put(p, &seg);
}

static void the_scoreboard_merges_and_trims(void **state)
{
    struct peer *p = peer_new(NULL);
    uint32_t una, max;

    (void)state;
    peer_open(p);
    peer_write(p, 10000);
    una = p->conn->snd_una;
    tell(p, 1, 2, (const uint32_t[][2]){{3001, 4001}, {1001, 2001}});
    assert_int_equal(tcp_sacked_bytes(p->tcp, p->conn, una, una + 10000), 2000);
    assert_int_equal(tcp_sacked_bytes(p->tcp, p->conn, una + 1500, una + 3500), 1000);
    tell(p, 1, 1, (const uint32_t[][2]){{1501, 3501}});
    assert_int_equal(tcp_sacked_bytes(p->tcp, p->conn, una, una + 10000), 3000);
    assert_int_equal(tcp_sack_skip(p->tcp, p->conn, una, &max), una);
    assert_int_equal(max, 1000);
    assert_int_equal(tcp_sack_skip(p->tcp, p->conn, una + 1000, &max), una + 4000);
    tell(p, 2001, 0, NULL); /* snd_una into the middle of it, and over block ends */
    assert_int_equal(tcp_sacked_bytes(p->tcp, p->conn, una, una + 10000), 2000 + 0);
    tell(p, 10001, 0, NULL);
    assert_int_equal(tcp_sacked_bytes(p->tcp, p->conn, una, una + 10000), 0);
    assert_int_equal(tcp_census(p->tcp).blocks, 0);
    peer_free(p);
}

static void nonsense_is_discarded(void **state)
{
    struct peer *p = peer_new(NULL);
    uint32_t una;

    (void)state;
    peer_open(p);
    peer_write(p, 5000);
    una = p->conn->snd_una;
    tell(p, 1, 4, (const uint32_t[][2]){{2001, 2001}, {3001, 2001}, {4001, 5002}, {0x80000000, 2001}});
    assert_int_equal(tcp_sacked_bytes(p->tcp, p->conn, una, una + 5000), 0);
    assert_true(peer_counter(p, TCP_COUNT_SACK_DISCARD) >= 3);
    tell(p, 1001, 1, (const uint32_t[][2]){{1, 501}}); /* D-SACK */
    assert_int_equal(peer_counter(p, TCP_COUNT_DSACK_RECV), 1);
    for (uint32_t i = 0; i < 20; i++) /* more holes than it remembers */
        tell(p, 1001, 1, (const uint32_t[][2]){{1101 + i * 100, 1111 + i * 100}});
    assert_int_equal(tcp_sacked_bytes(p->tcp, p->conn, una, una + 5000), TCP_SCOREBOARD_MAX * 10);
    peer_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reports_the_latest_first),
        cmocka_unit_test(reports_four_or_three_with_timestamps),
        cmocka_unit_test(pieces_are_told_again_while_others_grow),
        cmocka_unit_test(not_without_permission),
        cmocka_unit_test(duplicates_are_reported),
        cmocka_unit_test(the_scoreboard_merges_and_trims),
        cmocka_unit_test(nonsense_is_discarded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
