/* test_core_settings.c - SETTINGS as `sluice run` sends them, and every way they can be wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "core_clients.h"
#include "core_eal.h"
#include "core_port.h"
#include "core_settings.h"

#define PORT "{\"device\":\"net_tap0,iface=s0\",\"addresses\":[\"10.25.0.25/24\",\"fd25::25/64\"]," \
             "\"gateways\":[\"10.25.0.1\"],\"vlan\":0,\"mtu\":1500,\"reply\":\"gateway\",\"offload\":true}"
#define HEAD "{\"instance\":\"mx1\",\"user\":\"sluice\",\"workers\":2,\"cores\":[1,1],"
#define REST "\"memory_bytes\":268435456,\"hugepages\":\"auto\",\"shared_config\":false,\"sessions\":1000," \
             "\"log\":{\"format\":\"maillog\",\"refusals_per_second\":7},"

static void good(void **state)
{
    struct core_settings s;
    const char *why;

    (void)state;
    assert_int_equal(core_settings_parse(HEAD REST "\"ports\":[" PORT "]}", &s, &why), 0);
    assert_int_equal(s.workers, 2);
    assert_int_equal(s.cores[1], 1);
    assert_int_equal(s.ports[0].addresses_count, 2);
    assert_int_equal(s.ports[0].addresses[1].prefix, 64);
    assert_true(s.ports[0].reply_by_gateway);
    assert_true(s.log_maillog);
    assert_int_equal(s.log_refusals_per_second, 7);
}

static void bad(void **state)
{
    static const char *const rows[] = {
        "", "[]", "{}", HEAD REST "\"ports\":[]}", HEAD REST "\"ports\":[{}]}",
        "{\"instance\":\"mx1\",\"user\":\"sluice\",\"workers\":17,\"cores\":[1,1]," REST "\"ports\":[" PORT "]}",
        "{\"instance\":\"mx1\",\"user\":\"sluice\",\"workers\":3,\"cores\":[1,1]," REST "\"ports\":[" PORT "]}",
        HEAD "\"memory_bytes\":1,\"hugepages\":\"auto\",\"sessions\":1000,\"ports\":[" PORT "]}",
        HEAD "\"memory_bytes\":268435456,\"hugepages\":\"some\",\"sessions\":1000,\"ports\":[" PORT "]}",
        HEAD "\"memory_bytes\":268435456,\"hugepages\":\"off\",\"sessions\":16777216,\"ports\":[" PORT "]}",
        HEAD REST "\"ports\":[{\"device\":\"x\",\"addresses\":[\"10.0.0.300/24\"],\"vlan\":0,\"mtu\":1500}]}",
        HEAD REST "\"ports\":[{\"device\":\"x\",\"addresses\":[\"10.0.0.3/24\"],\"vlan\":4095,\"mtu\":1500}]}",
        HEAD REST "\"ports\":[{\"device\":\"x\",\"addresses\":[\"10.0.0.3/24\"],\"vlan\":0,\"mtu\":100}]}",
    };
    struct core_settings s;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *why = NULL;

        if (core_settings_parse(rows[i], &s, &why) == 0 || why == NULL)
            fail_msg("row %zu was taken: %s", i, rows[i]);
    }
}

static void lcores(void **state)
{
    struct core_settings s = {.workers = 2, .cores = {1, 1}};
    char text[64];

    (void)state;
    core_eal_lcores(&s, 0, text, sizeof(text));
    assert_string_equal(text, "0@0,1@1,2@1");
    assert_true(core_eal_is_pci("0000:03:00.0"));
    assert_true(core_eal_is_pci("03:00.1"));
    assert_false(core_eal_is_pci("net_tap0,iface=s0"));
    assert_false(core_eal_is_pci("0000:03:00.0x"));
}

static void interfaces(void **state)
{
    char name[32];

    (void)state;
    core_port_interface("net_af_packet0,iface=eth7,qpairs=2", name, sizeof(name));
    assert_string_equal(name, "eth7");
    core_port_interface("net_af_xdp0,iface=eth7", name, sizeof(name));
    assert_string_equal(name, "eth7");
    core_port_interface("net_tap0,iface=sluice0", name, sizeof(name));
    assert_string_equal(name, ""); /* a TAP is ours, no NIC */
    core_port_interface("net_memif0,role=server", name, sizeof(name));
    assert_string_equal(name, "");
    assert_false(core_port_default_route("no-such-interface"));
}

static void clients(void **state)
{
    static const uint8_t key[16] = {1, 2, 3};
    struct clients *c = clients_new(key);
    struct ip_addr a = ip_from_v4(0x0a190001), b = ip_from_v4(0x0a190002);
    struct ip_addr six = {.octets = {0xfd, 0x25, [15] = 1}}, same64 = {.octets = {0xfd, 0x25, [15] = 2}};

    (void)state;
    assert_int_equal(clients_add(c, &a), 1);
    assert_int_equal(clients_add(c, &a), 2);
    assert_int_equal(clients_add(c, &b), 1);
    clients_drop(c, &a);
    assert_int_equal(clients_add(c, &a), 2);
    assert_int_equal(clients_add(c, &six), 1);
    assert_int_equal(clients_add(c, &same64), 2); /* IPv6 counts by /64 */
    /* Error of the sketch: of 20,000 clients with one session each, how many seem to have more? */
    uint32_t over = 0;
    for (uint32_t i = 0; i < 20000; i++) {
        struct ip_addr x = ip_from_v4(0xc6000000 + i);

        over += clients_add(c, &x) > 1;
    }
    assert_in_range(over, 0, 100);
    c = clients_free(c);
    assert_null(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good), cmocka_unit_test(bad), cmocka_unit_test(lcores), cmocka_unit_test(interfaces),
        cmocka_unit_test(clients),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
