/* Goal: Ethernet and its one tag are read and written alike; nothing is read past the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "wire_eth.h"
#include "wire_guard.h"

static const uint8_t plain[] = {1, 2, 3, 4, 5, 6, 10, 11, 12, 13, 14, 15, 0x08, 0x00, 0xaa, 0xbb};
static const uint8_t tagged[] = {1,  2,  3,    4,    5,    6,    10,   11,   12,  13,
                                 14, 15, 0x81, 0x00, 0x60, 0x07, 0x86, 0xdd, 0xcc};

static void reads(void **state)
{
    struct wire_eth eth;

    (void)state;
    assert_int_equal(wire_eth_parse(guarded(plain, sizeof(plain)), &eth), WIRE_OK);
    assert_int_equal(eth.type, ETH_IP4);
    assert_false(eth.tagged);
    assert_int_equal(eth.tci, 0);
    assert_memory_equal(eth.dst, plain, 6);
    assert_memory_equal(eth.src, plain + 6, 6);
    assert_true(span_equal(eth.payload, span_of(plain + 14, 2)));
    assert_int_equal(wire_eth_parse(guarded(tagged, sizeof(tagged)), &eth), WIRE_OK);
    assert_int_equal(eth.type, ETH_IP6);
    assert_true(eth.tagged);
    assert_int_equal(eth.tci, 0x6007);
    assert_true(span_equal(eth.payload, span_of(tagged + 18, 1)));
}

static void every_cut(void **state)
{
    struct wire_eth eth;

    (void)state;
    for (size_t n = 0; n <= sizeof(plain); n++)
        assert_int_equal(wire_eth_parse(guarded(plain, n), &eth), n < 14 ? WIRE_SHORT : WIRE_OK);
    for (size_t n = 0; n <= sizeof(tagged); n++)
        assert_int_equal(wire_eth_parse(guarded(tagged, n), &eth), n < 18 ? WIRE_SHORT : WIRE_OK);
}

static void writes(void **state)
{
    uint8_t out[ETH_HEADER_BYTES_MAX];

    (void)state;
    assert_int_equal(wire_eth_write(out, plain, plain + 6, 0, ETH_IP4), 14);
    assert_memory_equal(out, plain, 14);
    assert_int_equal(wire_eth_write(out, tagged, tagged + 6, 0x6007, ETH_IP6), 18);
    assert_memory_equal(out, tagged, 18);
}

static void kinds_of_mac(void **state)
{
    static const uint8_t zero[6], group[6] = {0x33, 0x33, 0, 0, 0, 1};

    (void)state;
    assert_true(mac_is_zero(zero) && !mac_is_zero(plain));
    assert_true(mac_is_group(group) && mac_is_group(mac_broadcast) && !mac_is_group(plain + 6));
    assert_true(mac_equal(plain, plain) && !mac_equal(plain, plain + 6));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads),
        cmocka_unit_test(every_cut),
        cmocka_unit_test(writes),
        cmocka_unit_test(kinds_of_mac),
    };

    return cmocka_run_group_tests_name("wire_eth", tests, NULL, NULL);
}
