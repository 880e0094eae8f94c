/* core_settings.c - SETTINGS JSON to struct core_settings. */
#include "core_settings.h"

#include <errno.h>
#include <jansson.h>

#include "base_text.h"

#define SESSIONS_MAX ((1u << 24) - 1) /* slots of a handle */

static bool copy_text(json_t *object, const char *key, char *out, size_t room)
{
    const char *text = json_string_value(json_object_get(object, key));

    if (text == NULL || strlen(text) >= room)
        return false;
    memcpy(out, text, strlen(text) + 1);
    return true;
}

static bool get_number(json_t *object, const char *key, uint64_t min, uint64_t max, uint64_t *ret)
{
    json_t *value = json_object_get(object, key);
    json_int_t n;

    if (!json_is_integer(value))
        return false;
    n = json_integer_value(value);
    if (n < 0 || (uint64_t)n < min || (uint64_t)n > max)
        return false;
    *ret = (uint64_t)n;
    return true;
}

static const char *parse_addresses(json_t *port, struct core_port_settings *ret)
{
    json_t *list = json_object_get(port, "addresses"), *item;
    size_t i;

    if (!json_is_array(list) || json_array_size(list) == 0 ||
        json_array_size(list) > NET_ADDRESSES_MAX)
        return "ports[].addresses: between 1 and 64 addresses are needed";
    json_array_foreach(list, i, item)
    {
        struct net_address *a = &ret->addresses[i];

        if (!json_is_string(item) ||
            text_parse_prefix(span_str(json_string_value(item)), &a->ip, &a->prefix) != 0)
            return "ports[].addresses: not ADDRESS/PREFIX";
    }
    ret->addresses_count = (unsigned)i;
    list = json_object_get(port, "gateways");
    if (json_array_size(list) > NET_GATEWAYS_MAX)
        return "ports[].gateways: more than 4";
    json_array_foreach(list, i, item)
    {
        if (!json_is_string(item) ||
            text_parse_ip(span_str(json_string_value(item)), &ret->gateways[i]) != 0)
            return "ports[].gateways: not an address";
    }
    ret->gateways_count = (unsigned)json_array_size(list);
    return NULL;
}

static const char *parse_port(json_t *port, struct core_port_settings *ret)
{
    const char *reply = json_string_value(json_object_get(port, "reply"));
    uint64_t n;

    if (!copy_text(port, "device", ret->device, sizeof(ret->device)) || ret->device[0] == '\0')
        return "ports[].device: missing or too long";
    if (!get_number(port, "vlan", 0, 4094, &n))
        return "ports[].vlan: not between 0 and 4094";
    ret->vlan = (uint16_t)n;
    if (!get_number(port, "mtu", 1280, 9000, &n))
        return "ports[].mtu: not between 1280 and 9000";
    ret->mtu = (uint16_t)n;
    ret->reply_by_gateway = reply != NULL && strcmp(reply, "gateway") == 0;
    ret->offload = json_is_true(json_object_get(port, "offload"));
    return parse_addresses(port, ret);
}

static const char *parse_cores(json_t *root, struct core_settings *ret)
{
    json_t *list = json_object_get(root, "cores"), *item;
    size_t i;

    if (!json_is_array(list) || json_array_size(list) != ret->workers)
        return "cores: one CPU for each worker is needed";
    json_array_foreach(list, i, item)
    {
        if (!json_is_integer(item) || json_integer_value(item) < 0 ||
            json_integer_value(item) > 1023)
            return "cores: not a CPU number";
        ret->cores[i] = (unsigned)json_integer_value(item);
    }
    return NULL;
}

static const char *parse_memory(json_t *root, struct core_settings *ret)
{
    const char *huge = json_string_value(json_object_get(root, "hugepages"));

    if (!get_number(root, "memory_bytes", 32u << 20, 1ull << 40, &ret->memory_bytes))
        return "memory_bytes: at least 32M is needed";
    if (huge == NULL || strcmp(huge, "auto") == 0)
        ret->hugepages = HUGEPAGES_AUTO;
    else if (strcmp(huge, "required") == 0)
        ret->hugepages = HUGEPAGES_REQUIRED;
    else if (strcmp(huge, "off") == 0)
        ret->hugepages = HUGEPAGES_OFF;
    else
        return "hugepages: not auto, required or off";
    ret->shared_config = json_is_true(json_object_get(root, "shared_config"));
    return NULL;
}

static const char *parse_log(json_t *root, struct core_settings *ret)
{
    json_t *log = json_object_get(root, "log");
    const char *format = json_string_value(json_object_get(log, "format"));
    uint64_t n;

    ret->log_maillog = format != NULL && strcmp(format, "maillog") == 0;
    ret->log_refusals_per_second =
        get_number(log, "refusals_per_second", 0, UINT32_MAX, &n) ? (uint32_t)n : 100;
    return NULL;
}

static const char *parse_root(json_t *root, struct core_settings *ret)
{
    json_t *ports = json_object_get(root, "ports"), *port;
    const char *why;
    uint64_t n;
    size_t i;

    if (!copy_text(root, "instance", ret->instance, sizeof(ret->instance)))
        return "instance: missing or too long";
    if (!copy_text(root, "user", ret->user, sizeof(ret->user)))
        return "user: missing or too long";
    if (!get_number(root, "workers", 1, CORE_WORKERS_MAX, &n))
        return "workers: not between 1 and 16";
    ret->workers = (unsigned)n;
    if (!get_number(root, "sessions", 1, SESSIONS_MAX, &n))
        return "sessions: not between 1 and 16777215";
    ret->sessions = (uint32_t)n;
    ret->force = json_is_true(json_object_get(root, "force"));
    if ((why = parse_cores(root, ret)) != NULL || (why = parse_memory(root, ret)) != NULL ||
        (why = parse_log(root, ret)) != NULL)
        return why;
    if (!json_is_array(ports) || json_array_size(ports) == 0 ||
        json_array_size(ports) > NET_PORTS_MAX)
        return "ports: between 1 and 8 are needed";
    json_array_foreach(ports, i, port)
    {
        if ((why = parse_port(port, &ret->ports[i])) != NULL)
            return why;
    }
    ret->ports_count = (unsigned)json_array_size(ports);
    return NULL;
}

int core_settings_parse(const char *json, struct core_settings *ret, const char **ret_why)
{
    json_t *root = json_loads(json, JSON_REJECT_DUPLICATES, NULL);

    memset(ret, 0, sizeof(*ret));
    *ret_why = root == NULL ? "not JSON" : parse_root(root, ret);
    json_decref(root);
    return *ret_why == NULL ? 0 : -EINVAL;
}
