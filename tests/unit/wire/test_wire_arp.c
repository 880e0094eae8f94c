/* Goal: only IPv4-over-Ethernet requests and replies are ARP to us. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "wire_arp.h"
#include "wire_guard.h"

static const uint8_t request[ARP_BYTES] = {0,  1,  8, 0, 6, 4, 0, 1, 2, 2, 2,  2,  2, 1,
                                           10, 25, 0, 1, 0, 0, 0, 0, 0, 0, 10, 25, 0, 25};

static void round_trip(void **state)
{
    struct wire_arp arp;
    uint8_t out[ARP_BYTES];

    (void)state;
    assert_int_equal(wire_arp_parse(guarded(request, sizeof(request)), &arp), WIRE_OK);
    assert_int_equal(arp.operation, ARP_REQUEST);
    assert_int_equal(ip_to_v4(&arp.sender), 0x0a190001);
    assert_int_equal(ip_to_v4(&arp.target), 0x0a190019);
    assert_int_equal(wire_arp_write(out, &arp), ARP_BYTES);
    assert_memory_equal(out, request, ARP_BYTES);
}

static void refuses(void **state)
{
    static const struct {
        uint8_t at, value;
    } rows[] = {
        {1, 6   },
        {0, 1   },
        {2, 0x86},
        {4, 8   },
        {5, 16  },
        {7, 0   },
        {7, 3   },
        {6, 1   },
    };
    struct wire_arp arp;

    (void)state;
    for (size_t n = 0; n < ARP_BYTES; n++)
        assert_int_equal(wire_arp_parse(guarded(request, n), &arp), WIRE_SHORT);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint8_t bytes[ARP_BYTES];

        memcpy(bytes, request, ARP_BYTES);
        bytes[rows[i].at] = rows[i].value;
        assert_int_equal(wire_arp_parse(guarded(bytes, ARP_BYTES), &arp), WIRE_UNKNOWN);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(refuses),
    };

    return cmocka_run_group_tests_name("wire_arp", tests, NULL, NULL);
}
