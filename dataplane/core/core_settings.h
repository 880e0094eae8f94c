/* core_settings.h - what `sluice run` tells the data plane to be (the SETTINGS message).
 *
 * The text comes from our own supervisor, yet is checked like any input: a missing or
 * impossible value is named in *ret_why and nothing is started.
 */
#ifndef CORE_SETTINGS_H
#define CORE_SETTINGS_H

#include "base_types.h"
#include "ipc_stats.h"
#include "net.h"

#define CORE_WORKERS_MAX STATS_WORKERS_MAX
#define CORE_DEVICE_MAX 256

enum core_hugepages { HUGEPAGES_AUTO, HUGEPAGES_REQUIRED, HUGEPAGES_OFF };

struct core_port_settings {
    char               device[CORE_DEVICE_MAX]; /* PCI address or DPDK devargs */
    struct net_address addresses[NET_ADDRESSES_MAX];
    struct ip_addr     gateways[NET_GATEWAYS_MAX];
    unsigned           addresses_count, gateways_count;
    uint16_t           vlan, mtu;
    bool               reply_by_gateway, offload;
};

struct core_settings {
    char     instance[256];
    char     user[64];
    unsigned workers;
    unsigned cores[CORE_WORKERS_MAX]; /* CPU of worker i */
    uint64_t memory_bytes;
    uint32_t sessions; /* of the whole edge */
    bool     shared_config, force;
    enum core_hugepages       hugepages;
    unsigned                  ports_count;
    struct core_port_settings ports[NET_PORTS_MAX];
    bool     log_maillog;
    uint32_t log_refusals_per_second;
};

/* 0, or -EINVAL and *ret_why: which key is missing or wrong. */
int core_settings_parse(const char *json, struct core_settings *ret, const char **ret_why);

#endif
