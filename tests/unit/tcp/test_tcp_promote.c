/* test_tcp_promote.c - goal: an embryo becomes a connection with all it knew, or not at all. */
#include "tcp_peer.h"

static void no_slot_leaves_the_embryo(void **state)
{
    struct tcp_config config = peer_config();
    struct peer *p;
    struct tcp_event ev;

    (void)state;
    config.connections = 1;
    p = peer_new(&config);
    peer_open(p);
    p->key.remote_port++;
    p->conn = NULL;
    peer_syn(p, 0, 0, NULL);
    peer_input(p, TCP_ACK, 1, 1, NULL, 0);
    assert_true(peer_event(p, TCP_EV_READY, &ev));
    assert_null(tcp_promote(p->tcp, ev.embryo, peer_now(p)));
    assert_int_equal(peer_counter(p, TCP_COUNT_CONN_FULL), 1);
    assert_int_equal(tcp_census(p->tcp).embryos, 1);
    tcp_embryo_reset(p->tcp, ev.embryo);
    peer_expect(p, TCP_RST | TCP_ACK, 1, 1, 0);
    assert_int_equal(tcp_census(p->tcp).embryos, 0);
    peer_free(p);
}

static void takes_over_what_was_negotiated(void **state)
{
    struct peer *p = peer_new(NULL);
    struct tcp_seg syn = peer_syn_seg(p);

    (void)state;
    syn.mss = 1000;
    syn.wscale = 20; /* more than is allowed counts as 14 */
    p->timestamps = syn.has_timestamps = true;
    p->window = 3;
    peer_open_syn(p, &syn);
    assert_int_equal(p->conn->mss, 1000);
    assert_int_equal(p->conn->snd_wnd, 3u << 14);
    assert_true((p->conn->flags & (C_TIMESTAMPS | C_SACK | C_WSCALE)) == (C_TIMESTAMPS | C_SACK | C_WSCALE));
    assert_memory_equal(tcp_conn_key(p->conn), &p->key, sizeof(p->key));
    assert_ptr_equal(tcp_at(p->tcp, tcp_slot(p->conn)), p->conn);
    peer_free(p);
}

static void segment_sizes_default_and_floor(void **state)
{
    static const struct {
        bool     has;
        uint16_t mss, want;
    } rows[] = {{false, 0, 536}, {true, 1460, 1460}, {true, 9000, 1460}, {true, 0, TCP_MSS_MIN}, {true, 88, TCP_MSS_MIN}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct peer *p = peer_new(NULL);
        struct tcp_seg syn = peer_syn_seg(p);

        syn.has_mss = rows[i].has;
        syn.mss = rows[i].mss;
        peer_open_syn(p, &syn);
        assert_int_equal(p->conn->mss, rows[i].want);
        peer_free(p);
    }
}

/* RFC 6298 s5.7, unless an echo says that the answer was to the last SYN-ACK, and quick. */
static void retransmission_timeout_after_the_handshake(void **state)
{
    static const struct {
        const char *name;
        bool        timestamps, again; /* SYN-ACK sent again after 1 s */
        int         echoes;            /* which one */
        uint64_t    after_us;
        uint32_t    want_us;
    } rows[] = {
        {"one SYN-ACK",                      true,  false, 0, 20000,  20000 + TCP_RTO_MIN_US},
        {"one, at the last moment",          true,  false, 0, 990000, 3 * 990000            },
        {"two",                              false, true,  0, 20000,  TCP_RTO_AFTER_SYN_US  },
        {"two, the second echoed",           true,  true,  1, 20000,  TCP_RTO_INITIAL_US    },
        {"two, the first echoed",            true,  true,  0, 20000,  TCP_RTO_AFTER_SYN_US  },
        {"two, the second echoed, but slow", true,  true,  1, 1200000, TCP_RTO_AFTER_SYN_US },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct peer *p = peer_new(NULL);
        struct tcp_event ev;
        struct tcp_seg seg;
        uint32_t echo[2];

        p->timestamps = rows[i].timestamps;
        p->ts = 7000;
        echo[0] = peer_syn(p, 0, 0, NULL)->seg.ts_val;
        if (rows[i].again) {
            peer_wait(p, 1000000);
            echo[1] = peer_expect(p, TCP_SYN | TCP_ACK, 0, 1, 0)->seg.ts_val;
        }
        p->now += rows[i].after_us;
        seg = peer_seg(p, TCP_ACK, 1, 1, NULL, 0);
        seg.ts_ecr = echo[rows[i].echoes];
        peer_put(p, &seg);
        assert_true(peer_event(p, TCP_EV_READY, &ev));
        p->conn = tcp_promote(p->tcp, ev.embryo, peer_now(p));
        if (p->conn->rto_us != rows[i].want_us)
            fail_msg("%s: %u us", rows[i].name, p->conn->rto_us);
        peer_free(p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_slot_leaves_the_embryo),
        cmocka_unit_test(takes_over_what_was_negotiated),
        cmocka_unit_test(segment_sizes_default_and_floor),
        cmocka_unit_test(retransmission_timeout_after_the_handshake),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
