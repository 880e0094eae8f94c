/* Goal: the checksum is that of RFC 1071 for every length and alignment, and incremental
 * update gives what a new sum gives.  Method: vectors, and a byte-pair reference. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "wire_bytes.h"
#include "wire_guard.h"
#include "wire_sum.h"

static uint16_t reference(const uint8_t *p, size_t n)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += (uint32_t)p[i] << (i % 2 == 0 ? 8 : 0);
    while (sum >> 16 != 0)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

static void vectors(void **state)
{
    static const uint8_t rfc1071[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
    static const uint8_t header[] = {0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11,
                                     0x00, 0x00, 0xc0, 0xa8, 0x00, 0x01, 0xc0, 0xa8, 0x00, 0xc7};

    (void)state;
    assert_int_equal(wire_sum_fold(wire_sum_add(0, span_of(rfc1071, 8))), 0xddf2);
    assert_int_equal(wire_sum_finish(wire_sum_add(0, span_of(rfc1071, 8))), 0x220d);
    assert_int_equal(wire_sum_finish(wire_sum_add(0, span_of(header, sizeof(header)))), 0xb861);
    assert_int_equal(wire_sum_finish(wire_sum_add(0, span_of(NULL, 0))), 0xffff);
}

static void every_length(void **state)
{
    uint8_t bytes[300];

    (void)state;
    for (unsigned fill = 0; fill < 3; fill++) {
        for (size_t i = 0; i < sizeof(bytes); i++)
            bytes[i] = (uint8_t)(fill == 0 ? 0xff : i * 7919u >> fill);
        for (size_t start = 0; start < 9; start++)
            for (size_t n = 0; start + n <= sizeof(bytes); n++)
                assert_int_equal(wire_sum_finish(wire_sum_add(0, guarded(bytes + start, n))),
                                 reference(bytes + start, n));
    }
}

static void pieces(void **state)
{
    uint8_t bytes[64];

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(200 + i * 31);
    for (size_t cut = 0; cut <= sizeof(bytes); cut += 2) {
        uint64_t sum = wire_sum_add(0, span_of(bytes, cut));

        sum = wire_sum_add(sum, span_of(bytes + cut, sizeof(bytes) - cut));
        assert_int_equal(wire_sum_finish(sum), reference(bytes, sizeof(bytes)));
    }
}

static void pseudo_headers(void **state)
{
    uint8_t v4[12] = {10, 25, 0, 1, 10, 25, 0, 25, 0, 6, 0x12, 0x34}, v6[40];

    (void)state;
    for (size_t i = 0; i < 32; i++)
        v6[i] = (uint8_t)(i * 13 + 5);
    memcpy(v6 + 32, (uint8_t[]){0x00, 0x01, 0x23, 0x45, 0, 0, 0, 58}, 8);
    assert_int_equal(wire_sum_finish(wire_sum_pseudo4(v4, v4 + 4, 6, 0x1234)),
                     reference(v4, sizeof(v4)));
    assert_int_equal(wire_sum_finish(wire_sum_pseudo6(v6, v6 + 16, 58, 0x12345)),
                     reference(v6, sizeof(v6)));
}

static void updates(void **state)
{
    uint8_t block[8] = {0x12, 0x34, 0xff, 0xff, 0x00, 0x00, 0x56, 0x78};

    (void)state;
    assert_int_equal(wire_sum_update16(0xdd2f, 0x5555, 0x3285), 0x0000); /* RFC 1624 s4 */
    for (uint32_t v = 0; v <= 0xffff; v += 251) {
        uint16_t before = reference(block, sizeof(block));
        uint16_t old16 = wire_get16(block + 2);
        uint32_t old32 = wire_get32(block + 4), new32 = v << 16 | (v * 3 & 0xffff);
        uint16_t sum = wire_sum_update16(before, old16, (uint16_t)v);

        wire_put16(block + 2, (uint16_t)v);
        assert_int_equal(sum, reference(block, sizeof(block)));
        sum = wire_sum_update32(sum, old32, new32);
        wire_put32(block + 4, new32);
        assert_int_equal(sum, reference(block, sizeof(block)));
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors),        cmocka_unit_test(every_length), cmocka_unit_test(pieces),
        cmocka_unit_test(pseudo_headers), cmocka_unit_test(updates),
    };

    return cmocka_run_group_tests_name("wire_sum", tests, NULL, NULL);
}
