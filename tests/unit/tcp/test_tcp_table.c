/* test_tcp_table.c - goal: what was put in is found, what was taken out is not, in any order. */
#include "tcp_peer.h"

#include "base_rand.h"

static void heads_are_a_power_of_two(void **state)
{
    static const uint32_t rows[][2] = {{0, 1}, {1, 1}, {2, 2}, {3, 4}, {1000, 1024}, {1u << 20, 1u << 20}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(tcp_table_heads(rows[i][0]), rows[i][1]);
}

static void connections_come_and_go(void **state)
{
    struct tcp_config config = peer_config();
    struct net_path path = {.port = 0};
    struct tcp_conn *conns[50] = {0};
    struct rand r;
    struct peer *p;
    struct tcp_event ev;

    (void)state;
    config.connections = 50;
    p = peer_new(&config);
    rand_seed(&r, 1, 1);
    for (unsigned i = 0; i < 5000; i++) {
        unsigned n = (unsigned)rand_below(&r, 50);
        struct tcp_key key = p->key;

        key.remote_port = (uint16_t)(1 + n);
        if (conns[n] != NULL) {
            assert_ptr_equal(tcp_conn_find(p->tcp, &key, tcp_hash(p->tcp, &key)), conns[n]);
            tcp_abort(p->tcp, conns[n], peer_now(p));
            while (tcp_next(p->tcp, &ev))
                ;
            conns[n] = NULL;
        } else {
            conns[n] = tcp_conn_take(p->tcp, &key, &path, TCP_ESTABLISHED);
            assert_non_null(conns[n]);
        }
        p->looked = p->count = 0;
        key.remote_port = (uint16_t)(1 + rand_below(&r, 50));
        assert_ptr_equal(tcp_conn_find(p->tcp, &key, tcp_hash(p->tcp, &key)), conns[key.remote_port - 1]);
    }
    peer_free(p);
}

/* The same tuple from both families, and neighbours in every field, are different. */
static void keys_differ_in_every_field(void **state)
{
    struct peer *p = peer_new(NULL);

    (void)state;
    for (size_t i = 0; i < sizeof(p->key); i++) {
        struct tcp_key other = p->key;

        ((uint8_t *)&other)[i] ^= 1;
        assert_false(tcp_key_equal(&p->key, &other));
        assert_true(tcp_hash(p->tcp, &p->key) != tcp_hash(p->tcp, &other));
    }
    assert_true(tcp_key_equal(&p->key, &p->key));
    peer_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_are_a_power_of_two),
        cmocka_unit_test(connections_come_and_go),
        cmocka_unit_test(keys_differ_in_every_field),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
