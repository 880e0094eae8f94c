/* Goal: ICMP messages and the flows that errors quote are read; echo replies are right. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "wire_guard.h"
#include "wire_icmp4.h"
#include "wire_ip4.h"
#include "wire_sum.h"

static size_t quote(uint8_t *body)
{
    struct ip_addr src = ip_from_v4(0x0a190019), dst = ip_from_v4(0xc0000201);

    wire_ip4_write(body, &src, &dst, IP_TCP, 0, 1, 1, 1480); /* longer than what is quoted */
    memcpy(body + 20, (uint8_t[]){0, 25, 0x9c, 0x40, 1, 2, 3, 4}, 8);
    return 28;
}

static void flow(void **state)
{
    struct wire_icmp_flow flow;
    uint8_t body[64];
    size_t n = quote(body);

    (void)state;
    assert_int_equal(wire_icmp4_flow(guarded(body, n), &flow), WIRE_OK);
    assert_int_equal(ip_to_v4(&flow.src), 0x0a190019);
    assert_int_equal(ip_to_v4(&flow.dst), 0xc0000201);
    assert_int_equal(flow.src_port, 25);
    assert_int_equal(flow.dst_port, 40000);
    assert_int_equal(flow.seq, 0x01020304);
    assert_int_equal(flow.packet_bytes, 1500);
    for (size_t cut = 0; cut < n; cut++)
        assert_int_equal(wire_icmp4_flow(guarded(body, cut), &flow), WIRE_SHORT);
    body[9] = 17;
    assert_int_equal(wire_icmp4_flow(guarded(body, n), &flow), WIRE_UNKNOWN);
    body[9] = IP_TCP;
    wire_put16(body + 6, 5); /* a later fragment has no ports */
    assert_int_equal(wire_icmp4_flow(guarded(body, n), &flow), WIRE_UNKNOWN);
}

static void echo(void **state)
{
    uint8_t request[32], reply[32];
    struct wire_icmp icmp;

    (void)state;
    for (size_t n = 8; n <= sizeof(request); n++) {
        for (size_t i = 0; i < n; i++)
            request[i] = (uint8_t)(i * 37);
        request[0] = ICMP4_ECHO;
        request[1] = 0;
        wire_put16(request + 2, 0);
        wire_put16(request + 2, wire_sum_finish(wire_sum_add(0, span_of(request, n))));
        assert_int_equal(wire_icmp4_parse(guarded(request, n), &icmp), WIRE_OK);
        assert_int_equal(icmp.type, ICMP4_ECHO);
        assert_int_equal(icmp.body.len, n - 8);
        assert_int_equal(wire_icmp4_echo_reply(reply, guarded(request, n)), n);
        assert_int_equal(wire_icmp4_parse(guarded(reply, n), &icmp), WIRE_OK);
        assert_int_equal(icmp.type, ICMP4_ECHO_REPLY);
        assert_memory_equal(reply + 4, request + 4, n - 4);
        request[4] ^= 1;
        assert_int_equal(wire_icmp4_parse(guarded(request, n), &icmp), WIRE_SUM);
    }
    for (size_t n = 0; n < 8; n++)
        assert_int_equal(wire_icmp4_parse(guarded(request, n), &icmp), WIRE_SHORT);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(flow),
        cmocka_unit_test(echo),
    };

    return cmocka_run_group_tests_name("wire_icmp4", tests, NULL, NULL);
}
