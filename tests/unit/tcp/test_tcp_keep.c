/* test_tcp_keep.c - goal: reassembly agrees with a model that keeps every byte apart, whatever
 * arrives, and stays within its bounds.
 */
#include "tcp_peer.h"

#include "base_rand.h"

#define SPACE 12000

static uint32_t chain_blocks(const struct peer *p, unsigned *ret_pieces)
{
    uint32_t n = 0, end = 0;

    *ret_pieces = 0;
    for (uint32_t at = p->conn->rx_head; at != POOL_NONE; at = tcp_block_of(p->tcp, at)->next) {
        const struct tcp_block *b = tcp_block_of(p->tcp, at);

        assert_true(b->len > 0 && b->len <= TCP_BLOCK_TEXT);
        if (n > 0)
            assert_true(seq_at_or_before(end, b->seq));
        if (n == 0 || b->seq != end)
            ++*ret_pieces;
        end = tcp_block_end(b);
        n++;
    }
    return n;
}

/* Random pieces; text depends on position and attempt, so that "first data wins" shows. */
static void agrees_with_a_model(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 60; seed++) {
        struct tcp_config config = peer_config();
        static uint8_t model[SPACE], held[SPACE];
        static uint8_t text[SPACE];
        struct peer *p;
        struct rand r;
        unsigned pieces;

        config.receive_window = SPACE;
        p = peer_new(&config);
        peer_open(p);
        rand_seed(&r, seed, 0);
        memset(held, 0, sizeof(held));
        for (unsigned i = 0; i < 60; i++) {
            uint32_t from = (uint32_t)rand_between(&r, 1, SPACE - 1);
            uint32_t len = (uint32_t)rand_between(&r, 1, rand_chance(&r, 500000) ? 20 : 3000), got, before;

            len = from + len > SPACE ? SPACE - from : len;
            for (uint32_t k = 0; k < len; k++)
                text[k] = (uint8_t)rand_u64(&r);
            before = p->conn->rcv_nxt;
            got = tcp_keep(p->tcp, p->conn, before + from, span_of(text, len)) - before;
            assert_true(got >= from && got <= from + len);
            for (uint32_t k = 0; k < got - from; k++) {
                if (!held[from + k])
                    model[from + k] = text[k];
                held[from + k] = 1;
            }
            assert_true(chain_blocks(p, &pieces) <= config.blocks);
            assert_true(pieces <= TCP_INTERVALS_MAX);
            /* what lies behind a refused part may have been kept too: read it off */
            for (uint32_t at = p->conn->rx_head; at != POOL_NONE; at = tcp_block_of(p->tcp, at)->next) {
                const struct tcp_block *b = tcp_block_of(p->tcp, at);

                for (uint32_t k = 0; k < b->len; k++) {
                    uint32_t x = b->seq + k - before;

                    if (!held[x]) {
                        held[x] = 1;
                        model[x] = b->bytes[k];
                    }
                    assert_int_equal(b->bytes[k], model[x]);
                }
            }
        }
        peer_free(p);
    }
}

static void sixteen_pieces_and_no_more(void **state)
{
    struct peer *p = peer_new(NULL);
    unsigned pieces;

    (void)state;
    peer_open(p);
    for (uint32_t i = 0; i < 40; i++)
        peer_input(p, TCP_ACK, 10 + i * 10, 1, "x", 1);
    assert_int_equal(chain_blocks(p, &pieces), TCP_INTERVALS_MAX);
    assert_int_equal(pieces, TCP_INTERVALS_MAX);
    assert_int_equal(peer_counter(p, TCP_COUNT_OFO_DROP), 40 - TCP_INTERVALS_MAX);
    peer_free(p);
}

/* A peer that fills gaps by single bytes cannot make a window cost more than about twice. */
static void single_bytes_are_run_together(void **state)
{
    struct tcp_config config = peer_config();
    struct peer *p;
    unsigned pieces;

    (void)state;
    config.receive_window = 30000;
    p = peer_new(&config);
    peer_open(p);
    for (uint32_t round = 0; round < 900; round++) {
        for (uint32_t i = 0; i < 16; i++)
            peer_input(p, TCP_ACK, 2 + round * 32 + i * 2, 1, "x", 1);
        for (uint32_t i = 0; i < 16; i++) {
            peer_input(p, TCP_ACK, 1 + round * 32 + i * 2, 1, "y", 1);
            tcp_settle(p->tcp, p->conn, peer_now(p));
        }
        p->looked = p->count = 0;
        assert_true(chain_blocks(p, &pieces) <= 2 + 2 * (round * 32 + 32) / TCP_BLOCK_TEXT + 1);
    }
    assert_int_equal(p->conn->rcv_nxt, PEER_ISS + 1 + 900 * 32);
    assert_int_equal(peer_read(p), 900 * 32);
    for (size_t i = 0; i < p->got_len; i++)
        assert_int_equal(p->got[i], i % 2 == 0 ? 'y' : 'x');
    peer_free(p);
}

static void input_leaves_an_eighth_for_output(void **state)
{
    struct tcp_config config = peer_config();
    static uint8_t text[TCP_BLOCK_TEXT];
    struct peer *p;

    (void)state;
    config.blocks = 16;
    config.receive_window = 65535;
    p = peer_new(&config);
    peer_open(p);
    for (uint32_t i = 0; i < 20; i++) {
        peer_input(p, TCP_ACK, 1 + i * (uint32_t)sizeof(text), 1, text, sizeof(text));
        tcp_settle(p->tcp, p->conn, peer_now(p));
    }
    assert_int_equal(tcp_census(p->tcp).blocks, 14);
    assert_int_equal(tcp_write(p->tcp, p->conn, span_str("452 no\r\n")), 8);
    peer_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_a_model),
        cmocka_unit_test(sixteen_pieces_and_no_more),
        cmocka_unit_test(single_bytes_are_run_together),
        cmocka_unit_test(input_leaves_an_eighth_for_output),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
