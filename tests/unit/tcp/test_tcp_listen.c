/* test_tcp_listen.c - goal: a handshake comes to its end whoever loses what, a waiting client
 * costs an embryo and nothing else, and no stranger can push one about.
 */
#include "tcp_peer.h"

static void syn_ack_offers_what_was_offered(void **state)
{
    struct peer *p = peer_new(NULL);
    struct tcp_seg syn = peer_syn_seg(p);
    struct peer_sent *s;

    (void)state;
    syn.has_timestamps = true;
    syn.ts_val = 123;
    s = peer_syn(p, 0, 0, &syn);
    assert_true(s->seg.has_mss && s->seg.mss == 1460);
    assert_true(s->seg.has_wscale && s->seg.has_sack_permitted);
    assert_true(s->seg.has_timestamps && s->seg.ts_ecr == 123);
    assert_int_equal(s->seg.window, 32768);
    assert_int_equal(s->seg.path.vlan, 5);
    assert_int_equal(s->seg.path.port, 1);
    assert_memory_equal(s->seg.path.mac, syn.path.mac, 6);
    assert_memory_equal(&s->seg.key, &syn.key, sizeof(syn.key));
    peer_free(p);

    p = peer_new(NULL);
    syn = peer_seg(p, TCP_SYN, 0, 0, NULL, 0);
    s = peer_syn(p, 0, 0, &syn);
    assert_false(s->seg.has_wscale || s->seg.has_sack_permitted || s->seg.has_timestamps);
    peer_free(p);
}

static void syn_ack_again_at_1_3_7_15_and_over_at_31(void **state)
{
    struct peer *p = peer_new(NULL);
    static const unsigned seconds[] = {1, 3, 7, 15};
    uint64_t start;

    (void)state;
    peer_syn(p, 0, 0, NULL);
    start = p->now;
    for (size_t i = 0; i < ARRAY_LEN(seconds); i++) {
        peer_wait(p, start + seconds[i] * 1000000u - 10000 - p->now);
        peer_quiet(p);
        peer_wait(p, 20000);
        peer_expect(p, TCP_SYN | TCP_ACK, 0, 1, 0);
        peer_quiet(p);
    }
    peer_wait(p, start + 30900000 - p->now);
    assert_int_equal(tcp_census(p->tcp).embryos, 1);
    peer_wait(p, 200000);
    peer_quiet(p);
    assert_int_equal(tcp_census(p->tcp).embryos, 0);
    assert_int_equal(peer_counter(p, TCP_COUNT_EMBRYO_TIMEOUT), 1);
    assert_true(tcp_next_due(p->tcp).us == UINT64_MAX);
    peer_free(p);
}

static void duplicate_syn_is_answered_again(void **state)
{
    struct peer *p = peer_new(NULL);
    struct tcp_seg syn = peer_syn_seg(p);

    (void)state;
    peer_syn(p, 0, 0, &syn);
    assert_int_equal(peer_put(p, &syn), TCP_IN_DONE);
    peer_expect(p, TCP_SYN | TCP_ACK, 0, 1, 0);
    assert_int_equal(tcp_census(p->tcp).embryos, 1);
    assert_true(tcp_syn_accept(p->tcp, &syn, 42, 0, 0, peer_now(p))); /* asked twice: still one */
    assert_int_equal(tcp_census(p->tcp).embryos, 1);
    peer_free(p);
}

/* An echo of the first SYN's would make the client believe in a round trip of a second. */
static void a_second_syn_s_timestamp_is_echoed(void **state)
{
    static const struct {
        const char *name;
        bool        first, second;
        uint32_t    ts, want;
    } rows[] = {
        {"later",                     true,  true,  2000, 2000},
        {"the same frame again",      true,  true,  1000, 1000},
        {"overtaken",                 true,  true,  999,  1000},
        {"without",                   true,  false, 2000, 1000},
        {"only the second, not ours", false, true,  2000, 0   },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct peer *p = peer_new(NULL);
        struct tcp_seg syn = peer_syn_seg(p);
        struct peer_sent *s;

        syn.has_timestamps = rows[i].first;
        syn.ts_val = rows[i].first ? 1000 : 0;
        peer_syn(p, 0, 0, &syn);
        syn.has_timestamps = rows[i].second;
        syn.ts_val = rows[i].second ? rows[i].ts : 0;
        peer_put(p, &syn);
        s = peer_expect(p, TCP_SYN | TCP_ACK, 0, 1, 0);
        if (s->seg.has_timestamps != rows[i].first || s->seg.ts_ecr != rows[i].want)
            fail_msg("%s: echoed %u", rows[i].name, s->seg.ts_ecr);
        peer_free(p);
    }
}

static void what_reaches_an_embryo(void **state)
{
    enum { GONE = 1, CHALLENGE = 2, RESET = 4, READY = 8 };
    static const struct {
        const char *name;
        uint8_t     flags;
        uint32_t    seq, ack;
        int         want;
    } rows[] = {
        {"reset, exact",             TCP_RST,           1,      0, GONE     },
        {"reset in the window",      TCP_RST,           2,      0, CHALLENGE},
        {"reset at its end",         TCP_RST,           32768,  0, CHALLENGE},
        {"reset beyond it",          TCP_RST,           32769,  0, 0        },
        {"reset before it",          TCP_RST,           0,      0, 0        },
        {"another SYN",              TCP_SYN,           500,    0, CHALLENGE},
        {"ACK, right",               TCP_ACK,           1,      1, READY    },
        {"ACK in the window",        TCP_ACK,           9,      1, READY    },
        {"ACK of too much",          TCP_ACK,           1,      2, RESET    },
        {"ACK of nothing",           TCP_ACK,           1,      0, RESET    },
        {"ACK out of the window",    TCP_ACK,           40000,  1, CHALLENGE},
        {"no ACK",                   TCP_PSH,           1,      0, 0        },
        {"FIN with the ACK",         TCP_FIN | TCP_ACK, 1,      1, READY    },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct peer *p = peer_new(NULL);
        struct tcp_event ev;
        struct peer_sent *s;

        peer_syn(p, 0, 0, NULL);
        assert_int_equal(peer_input(p, rows[i].flags, rows[i].seq, rows[i].ack, NULL, 0), TCP_IN_DONE);
        s = peer_next(p);
        assert_int_equal(tcp_census(p->tcp).embryos, rows[i].want & GONE ? 0 : 1);
        if (rows[i].want & CHALLENGE)
            assert_true(s != NULL && s->seg.flags == TCP_ACK && s->seg.ack == PEER_ISS + 1);
        else if (rows[i].want & RESET)
            assert_true(s != NULL && s->seg.flags == TCP_RST && s->seg.seq == p->iss + rows[i].ack);
        else if (s != NULL)
            fail_msg("%s: something was sent", rows[i].name);
        assert_int_equal(tcp_next(p->tcp, &ev), (rows[i].want & READY) != 0);
        peer_free(p);
    }
}

static void greeting_wait_is_served_by_the_embryo(void **state)
{
    struct peer *p = peer_new(NULL);
    struct tcp_event ev;

    (void)state;
    peer_syn(p, 3000000, 0, NULL);
    peer_input(p, TCP_ACK, 1, 1, NULL, 0);
    assert_false(tcp_next(p->tcp, &ev));
    peer_wait(p, 2900000);
    assert_false(tcp_next(p->tcp, &ev));
    assert_int_equal(tcp_census(p->tcp).connections, 0);
    peer_wait(p, 200000);
    assert_true(peer_event(p, TCP_EV_READY, &ev));
    assert_false(ev.early);
    assert_int_equal(ev.tag, 42);
    assert_memory_equal(&ev.key, &p->key, sizeof(p->key));
    peer_quiet(p);
    peer_free(p);
}

static void early_bytes_end_the_wait_and_are_kept(void **state)
{
    struct peer *p = peer_new(NULL);
    struct tcp_event ev;

    (void)state;
    peer_syn(p, 3000000, 0, NULL);
    peer_input(p, TCP_ACK, 1, 1, NULL, 0);
    peer_input(p, TCP_ACK | TCP_PSH, 1, 1, "EHLO me\r\n", 9);
    peer_quiet(p); /* not acknowledged by an embryo */
    assert_true(peer_event(p, TCP_EV_READY, &ev));
    assert_true(ev.early);
    p->conn = tcp_promote(p->tcp, ev.embryo, peer_now(p));
    assert_non_null(p->conn);
    assert_true(peer_event(p, TCP_EV_CONN, &ev));
    assert_ptr_equal(ev.conn, p->conn);
    assert_int_equal(peer_read(p), 9);
    assert_memory_equal(p->got, "EHLO me\r\n", 9);
    peer_flush(p);
    peer_expect(p, TCP_ACK, 1, 10, 0);
    assert_int_equal(tcp_census(p->tcp).blocks, 0);
    peer_free(p);
}

static void early_bytes_on_the_last_ack_of_the_handshake(void **state)
{
    struct peer *p = peer_new(NULL);
    struct tcp_event ev;

    (void)state;
    peer_syn(p, 0, 0, NULL);
    peer_input(p, TCP_ACK | TCP_FIN, 1, 1, "QUIT\r\n", 6);
    assert_true(peer_event(p, TCP_EV_READY, &ev));
    assert_true(ev.early);
    p->conn = tcp_promote(p->tcp, ev.embryo, peer_now(p));
    assert_int_equal(peer_read(p), 6);
    assert_true(tcp_at_eof(p->conn));
    peer_flush(p);
    peer_expect(p, TCP_ACK, 1, 8, 0);
    peer_free(p);
}

static void early_bytes_without_a_block_come_again(void **state)
{
    struct tcp_config config = peer_config();
    struct peer *p;
    struct tcp_event ev;

    (void)state;
    config.blocks = 0;
    p = peer_new(&config);
    peer_syn(p, 3000000, 0, NULL);
    peer_input(p, TCP_ACK | TCP_PSH, 1, 1, "EHLO me\r\n", 9);
    assert_true(peer_event(p, TCP_EV_READY, &ev));
    assert_true(ev.early);
    assert_int_equal(peer_counter(p, TCP_COUNT_EMBRYO_EARLY_DROP), 1);
    p->conn = tcp_promote(p->tcp, ev.embryo, peer_now(p));
    assert_false(tcp_next(p->tcp, &ev));
    assert_int_equal(peer_input(p, TCP_ACK | TCP_PSH, 1, 1, "EHLO me\r\n", 9), TCP_IN_CONN);
    assert_int_equal(peer_read(p), 9);
    peer_free(p);
}

static void more_early_text_than_a_block(void **state)
{
    struct peer *p = peer_new(NULL);
    uint8_t text[TCP_BLOCK_TEXT + 500];
    struct tcp_event ev;

    (void)state;
    memset(text, 'x', sizeof(text));
    peer_syn(p, 3000000, 0, NULL);
    peer_input(p, TCP_ACK | TCP_FIN, 1, 1, text, sizeof(text));
    peer_input(p, TCP_ACK, 1, 1, text, 4); /* does not replace what is there */
    assert_true(peer_event(p, TCP_EV_READY, &ev));
    p->conn = tcp_promote(p->tcp, ev.embryo, peer_now(p));
    assert_int_equal(peer_read(p), TCP_BLOCK_TEXT);
    assert_false(tcp_at_eof(p->conn)); /* the FIN stands behind what was dropped */
    peer_free(p);
}

static void tarpit_is_deaf_and_ends_silently(void **state)
{
    struct peer *p = peer_new(NULL);
    struct tcp_event ev;

    (void)state;
    peer_syn(p, 0, 60000000, NULL);
    peer_input(p, TCP_ACK, 1, 1, NULL, 0);
    peer_input(p, TCP_ACK | TCP_PSH, 1, 1, "EHLO me\r\n", 9);
    peer_input(p, TCP_ACK | TCP_FIN, 1, 1, NULL, 0);
    peer_wait(p, 59000000);
    peer_quiet(p);
    assert_int_equal(tcp_census(p->tcp).embryos, 1);
    peer_wait(p, 2000000);
    peer_quiet(p);
    assert_false(tcp_next(p->tcp, &ev));
    assert_int_equal(tcp_census(p->tcp).embryos, 0);
    assert_int_equal(peer_counter(p, TCP_COUNT_EMBRYO_HELD), 1);
    peer_free(p);
}

static void a_full_table_says_no_and_spares_the_rest(void **state)
{
    struct peer *p = peer_new(NULL);
    struct tcp_event ev;

    (void)state;
    peer_open(p);
    for (unsigned i = 0; i < p->config.embryos + 3; i++) {
        struct tcp_seg syn = peer_syn_seg(p);

        syn.key.remote_port = (uint16_t)(50000 + i);
        assert_int_equal(peer_put(p, &syn), TCP_IN_SYN);
        assert_int_equal(tcp_syn_accept(p->tcp, &syn, 1, 0, 0, peer_now(p)), i < p->config.embryos);
    }
    assert_int_equal(peer_counter(p, TCP_COUNT_EMBRYO_FULL), 3);
    assert_int_equal(tcp_census(p->tcp).connections, 1);
    assert_int_equal(peer_input(p, TCP_ACK | TCP_PSH, 1, 1, "x", 1), TCP_IN_CONN);
    tcp_settle(p->tcp, p->conn, peer_now(p));
    assert_false(tcp_next(p->tcp, &ev));
    peer_free(p);
}

static void nobody_takes_a_ready_embryo(void **state)
{
    struct peer *p = peer_new(NULL);
    struct tcp_event ev;

    (void)state;
    peer_syn(p, 0, 0, NULL);
    peer_input(p, TCP_ACK, 1, 1, NULL, 0);
    assert_true(peer_event(p, TCP_EV_READY, &ev));
    peer_wait(p, TCP_HANDED_US + 100000);
    peer_expect(p, TCP_RST | TCP_ACK, 1, 1, 0);
    assert_int_equal(tcp_census(p->tcp).embryos, 0);
    assert_int_equal(peer_counter(p, TCP_COUNT_EMBRYO_FORGOTTEN), 1);
    peer_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(syn_ack_offers_what_was_offered),
        cmocka_unit_test(syn_ack_again_at_1_3_7_15_and_over_at_31),
        cmocka_unit_test(duplicate_syn_is_answered_again),
        cmocka_unit_test(a_second_syn_s_timestamp_is_echoed),
        cmocka_unit_test(what_reaches_an_embryo),
        cmocka_unit_test(greeting_wait_is_served_by_the_embryo),
        cmocka_unit_test(early_bytes_end_the_wait_and_are_kept),
        cmocka_unit_test(early_bytes_on_the_last_ack_of_the_handshake),
        cmocka_unit_test(early_bytes_without_a_block_come_again),
        cmocka_unit_test(more_early_text_than_a_block),
        cmocka_unit_test(tarpit_is_deaf_and_ends_silently),
        cmocka_unit_test(a_full_table_says_no_and_spares_the_rest),
        cmocka_unit_test(nobody_takes_a_ready_embryo),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
