/* Goal: the SETTINGS texts say what the configuration says, key for key.
 * Method: the example, compared as JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jansson.h>

#include "conf_settings.h"
#include "conf_text.h"

static void check(char *have, const char *want)
{
    json_t *a = json_loads(have != NULL ? have : "", 0, NULL), *b = json_loads(want, 0, NULL);

    assert_non_null(a);
    assert_non_null(b);
    if (!json_equal(a, b))
        fail_msg("want %s\nhave %s", want, have);
    json_decref(a);
    json_decref(b);
    free(have);
}

static struct conf *load(const char *text)
{
    struct conf_error error;
    struct conf *conf = NULL;

    assert_int_equal(conf_load_text("/etc/sluice.yaml", span_str(text), NULL, &conf, &error), 0);
    return conf;
}

#define LOG "\"log\":{\"format\":\"json\",\"refusals_per_second\":100}"

static void example(void **state)
{
    struct conf *c = load(CONF_TEXT_EXAMPLE);

    (void)state;
    check(conf_settings_dataplane(c, 7, true),
          "{\"instance\":\"mx1.example.net\",\"user\":\"sluice\",\"runtime\":\"/run/sluice\","
          "\"workers\":1,\"cores\":[1],\"memory_bytes\":536870912,\"shared_config\":false,"
          "\"hugepages\":\"auto\",\"sessions\":100000,\"force\":true,\"epoch\":7,"
          "\"ports\":[{\"device\":\"net_tap0,iface=sluice0\","
          "\"addresses\":[\"10.25.0.25/24\",\"fd25::25/64\"],"
          "\"gateways\":[\"10.25.0.1\",\"fd25::1\"],\"vlan\":0,\"mtu\":1500,"
          "\"reply\":\"source\",\"offload\":true}]," LOG "}");
    check(conf_settings_queue(c, 8),
          "{\"instance\":\"mx1.example.net\",\"directory\":\"/var/spool/sluice\",\"workers\":1,"
          "\"retry_first_us\":5000000,\"retry_maximum_us\":3600000000,"
          "\"expire_us\":432000000000,\"sync\":\"always\",\"limit_bytes\":68719476736,"
          "\"limit_messages\":1000000,\"reserve_bytes\":67108864,\"epoch\":8," LOG "}");
    check(conf_settings_queue_order(c),
          "{\"order\":\"settings\",\"retry_first_us\":5000000,\"retry_maximum_us\":3600000000,"
          "\"expire_us\":432000000000,\"sync\":\"always\",\"limit_bytes\":68719476736,"
          "\"limit_messages\":1000000,\"reserve_bytes\":67108864}");
    check(conf_settings_deliver(c, 9),
          "{\"instance\":\"mx1.example.net\",\"runtime\":\"/run/sluice\",\"epoch\":9," LOG "}");
    check(conf_settings_control(c, 4294967295u),
          "{\"instance\":\"mx1.example.net\",\"config\":\"/etc/sluice.yaml\","
          "\"runtime\":\"/run/sluice\",\"workers\":1,\"admin\":\"127.0.0.1:8025\","
          "\"epoch\":4294967295," LOG "}");
    conf_free(c);
}

static void other_choices(void **state)
{
    struct conf *c = load(CONF_TEXT_INSTANCE CONF_TEXT_SERVERS CONF_TEXT_ROUTES CONF_TEXT_BOUNCES
                          "dataplane: {cores: [2, 2, 3], memory: 1G, hugepages: required,\n"
                          "  shared_config: true, ports: [{device: a, addresses: [10.0.0.2/31],\n"
                          "  gateways: [10.0.0.3], vlan: 7, mtu: 1400, reply: gateway,\n"
                          "  offload: false}]}\n"
                          "queue: {sync: never}\n"
                          "log: {format: maillog, refusals_per_second: 0}\n");

    (void)state;
    check(conf_settings_dataplane(c, 0, false),
          "{\"instance\":\"a.example\",\"user\":\"sluice\",\"runtime\":\"/run/sluice\","
          "\"workers\":3,\"cores\":[2,2,3],\"memory_bytes\":1073741824,\"shared_config\":true,"
          "\"hugepages\":\"required\",\"sessions\":100000,\"force\":false,\"epoch\":0,"
          "\"ports\":[{\"device\":\"a\",\"addresses\":[\"10.0.0.2/31\"],"
          "\"gateways\":[\"10.0.0.3\"],\"vlan\":7,\"mtu\":1400,\"reply\":\"gateway\","
          "\"offload\":false}],"
          "\"log\":{\"format\":\"maillog\",\"refusals_per_second\":0}}");

    char *queue = conf_settings_queue(c, 0);

    assert_non_null(queue);
    assert_non_null(strstr(queue, "\"sync\":\"never\""));
    free(queue);
    conf_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(example), cmocka_unit_test(other_choices)};

    return cmocka_run_group_tests_name("conf_settings", tests, NULL, NULL);
}
