/* test_tcp_send.c - goal: what was written comes out the same wherever it is cut, and its blocks
 * come back as it is acknowledged.
 */
#include "tcp_peer.h"

static uint8_t at(uint32_t i)
{
    return (uint8_t)(i * 7 + i / 256);
}

static void every_cut(void **state)
{
    struct peer *p = peer_new(NULL);
    static uint8_t bytes[6000], out[6000];

    (void)state;
    for (uint32_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = at(i);
    peer_open(p);
    for (uint32_t i = 0; i < sizeof(bytes); i += 100) /* by hundreds, over block ends */
        assert_int_equal(tcp_write(p->tcp, p->conn, span_of(bytes + i, 100)), 100);
    assert_int_equal(tcp_census(p->tcp).blocks, (sizeof(bytes) + TCP_BLOCK_TEXT - 1) / TCP_BLOCK_TEXT);
    for (uint32_t from = 0; from < sizeof(bytes); from += 37) {
        struct span pieces[TCP_PIECES_MAX];
        uint32_t want = 1460, got = 0, len = 0;
        unsigned n;

        want = want < sizeof(bytes) - from ? want : (uint32_t)sizeof(bytes) - from;
        n = tcp_send_gather(p->tcp, p->conn, p->conn->snd_una + from, want, pieces, &got);
        assert_int_equal(got, want);
        assert_true(n <= 2);
        for (unsigned i = 0; i < n; i++) {
            memcpy(out + len, pieces[i].ptr, pieces[i].len);
            len += (uint32_t)pieces[i].len;
        }
        assert_int_equal(len, want);
        assert_memory_equal(out, bytes + from, want);
    }
    peer_free(p);
}

static void more_pieces_than_a_segment_takes(void **state)
{
    struct peer *p = peer_new(NULL);
    static uint8_t bytes[TCP_BLOCK_TEXT * 10];
    struct span pieces[TCP_PIECES_MAX];
    uint32_t got = 0;

    (void)state;
    peer_open(p);
    assert_int_equal(tcp_write(p->tcp, p->conn, span_of(bytes, sizeof(bytes))), sizeof(bytes));
    assert_int_equal(tcp_send_gather(p->tcp, p->conn, p->conn->snd_una, sizeof(bytes), pieces, &got), TCP_PIECES_MAX);
    assert_int_equal(got, TCP_PIECES_MAX * TCP_BLOCK_TEXT);
    peer_free(p);
}

static void blocks_come_back_with_acknowledgements(void **state)
{
    struct peer *p = peer_new(NULL);

    (void)state;
    peer_open(p);
    peer_write(p, 14000);
    assert_int_equal(tcp_census(p->tcp).blocks, 8);
    peer_input(p, TCP_ACK, 1, TCP_BLOCK_TEXT, NULL, 0);
    assert_int_equal(tcp_census(p->tcp).blocks, 8);
    peer_input(p, TCP_ACK, 1, TCP_BLOCK_TEXT + 1, NULL, 0);
    assert_int_equal(tcp_census(p->tcp).blocks, 7);
    peer_input(p, TCP_ACK, 1, 14001, NULL, 0);
    assert_int_equal(tcp_census(p->tcp).blocks, 0);
    assert_int_equal(tcp_room(p->tcp, p->conn), 65536);
    peer_free(p);
}

/* What the peer cannot have heard: written, and never yet in a segment. */
static void unsent(void **state)
{
    struct peer *p = peer_new(NULL);

    (void)state;
    peer_open(p);
    assert_false(tcp_unsent(p->conn));
    assert_int_equal(tcp_write(p->tcp, p->conn, span_str("354\r\n")), 5);
    assert_true(tcp_unsent(p->conn));
    peer_flush(p);
    assert_false(tcp_unsent(p->conn)); /* in flight is sent, acknowledged or not */
    peer_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cut),
        cmocka_unit_test(more_pieces_than_a_segment_takes),
        cmocka_unit_test(blocks_come_back_with_acknowledgements),
        cmocka_unit_test(unsent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
