/* core_port.c - DPDK ports. */
#include "core_port.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>

#include <rte_ethdev.h>

#include "core_eal.h"

#define RX_DESCRIPTORS 1024
#define TX_DESCRIPTORS 1024
#define RETA_MAX       512
#define MBUF_COST      (RTE_MBUF_DEFAULT_BUF_SIZE + 192u)

static char why_text[256];

void core_port_interface(const char *device, char *out, size_t room)
{
    const char *at = strstr(device, "iface=");
    char path[128];
    struct dirent *entry;
    DIR *dir;

    out[0] = '\0';
    if (!core_eal_is_pci(device)) {
        if (at != NULL && strncmp(device, "net_tap", 7) != 0) /* a TAP is made by us, no NIC */
            snprintf(out, room, "%.*s", (int)strcspn(at + 6, ","), at + 6);
        return;
    }
    snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s%s/net",
             strchr(device, ':') == strrchr(device, ':') ? "0000:" : "", device);
    dir = opendir(path);
    if (dir == NULL)
        return;
    while ((entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] != '.')
            snprintf(out, room, "%s", entry->d_name);
    }
    closedir(dir);
}

bool core_port_default_route(const char *interface)
{
    char line[512], name[64], dest[64];
    unsigned prefix;
    bool found = false;
    FILE *f = fopen("/proc/net/route", "re");

    if (interface[0] == '\0')
        return false;
    while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
        unsigned mask = 1;

        if (sscanf(line, "%63s %63s %*s %*s %*s %*s %*s %x", name, dest, &mask) == 3)
            found |= strcmp(name, interface) == 0 && strcmp(dest, "00000000") == 0 && mask == 0;
    }
    if (f != NULL)
        fclose(f);
    f = fopen("/proc/net/ipv6_route", "re");
    while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
        if (sscanf(line, "%63s %x %*s %*s %*s %*s %*s %*s %*s %63s", dest, &prefix, name) == 3)
            found |=
                strcmp(name, interface) == 0 && prefix == 0 && strspn(dest, "0") == strlen(dest);
    }
    if (f != NULL)
        fclose(f);
    return found;
}

unsigned core_ports_mbufs(const struct core_settings *settings)
{
    uint64_t want =
        (uint64_t)settings->ports_count * settings->workers * (RX_DESCRIPTORS + TX_DESCRIPTORS) +
        (uint64_t)settings->workers * 4096 + 1024;
    uint64_t fit = settings->memory_bytes * 3 / 4 / MBUF_COST;

    return (unsigned)(want < fit ? want : fit);
}

static int find_port(const char *device, uint16_t *ret_id)
{
    char name[RTE_ETH_NAME_MAX_LEN];

    snprintf(name, sizeof(name), "%.*s", (int)strcspn(device, ","), device);
    if (rte_eth_dev_get_port_by_name(name, ret_id) == 0)
        return 0;
    snprintf(name, sizeof(name), "0000:%.*s", (int)strcspn(device, ","), device);
    return rte_eth_dev_get_port_by_name(name, ret_id);
}

/* How many queue pairs: one a worker if the port has them; devargs bound what it has. */
static uint16_t count_queues(const struct core *core, const struct core_port_settings *port,
                             const struct rte_eth_dev_info *info)
{
    unsigned n = core->workers_count;

    if (n > info->max_rx_queues)
        n = info->max_rx_queues;
    if (n > info->max_tx_queues)
        n = info->max_tx_queues;
    if (strncmp(port->device, "net_af_xdp", 10) == 0 &&
        strstr(port->device, "queue_count=") == NULL)
        n = 1;
    return (uint16_t)(n > 0 ? n : 1);
}

static void fill_reta(uint16_t id, uint16_t reta_size, uint16_t queues)
{
    struct rte_eth_rss_reta_entry64 reta[RETA_MAX / RTE_ETH_RETA_GROUP_SIZE] = {0};

    if (reta_size == 0 || reta_size > RETA_MAX)
        return;
    for (unsigned i = 0; i < reta_size; i++) {
        reta[i / RTE_ETH_RETA_GROUP_SIZE].mask |= 1ull << (i % RTE_ETH_RETA_GROUP_SIZE);
        reta[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE] =
            (uint16_t)((i % 128) % queues);
    }
    /* Where the device will not: it spreads its own way and the owner check forwards. */
    rte_eth_dev_rss_reta_update(id, reta, reta_size);
}

static void plan_offloads(const struct core_port_settings *port,
                          const struct rte_eth_dev_info *info, struct rte_eth_conf *conf,
                          bool *ret_tx_checksum)
{
    uint64_t tx = RTE_ETH_TX_OFFLOAD_TCP_CKSUM; /* the IPv4 header's is always made in software */
    uint64_t rx = RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_CKSUM;

    *ret_tx_checksum = false;
    /* A virtual device's "offload" is the same work in the driver: ours is cheaper. */
    if (!port->offload || !core_eal_is_pci(port->device))
        return;
    conf->rxmode.offloads |= info->rx_offload_capa & rx;
    if ((info->tx_offload_capa & tx) == tx) {
        conf->txmode.offloads |= tx;
        *ret_tx_checksum = true;
    }
}

static int configure(struct core *core, unsigned i, const uint8_t rss_key[40],
                     struct rte_mempool *mbufs)
{
    const struct core_port_settings *port = &core->settings.ports[i];
    struct rte_eth_conf conf = {.rxmode = {.mtu = port->mtu}};
    struct rte_eth_dev_info info;
    uint16_t id = core->port_id[i], n, rxd = RX_DESCRIPTORS, txd = TX_DESCRIPTORS;
    uint8_t key[64] = {0};
    int rc = rte_eth_dev_info_get(id, &info);

    if (rc != 0)
        return rc;
    n = count_queues(core, port, &info);
    plan_offloads(port, &info, &conf, &core->tx_checksum[i]);
    if (n > 1 && (info.flow_type_rss_offloads &
                  (RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV6_TCP)) != 0) {
        memcpy(key, rss_key, 40);
        conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
        conf.rx_adv_conf.rss_conf.rss_hf =
            info.flow_type_rss_offloads &
            (RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV6_TCP);
        conf.rx_adv_conf.rss_conf.rss_key = key;
        conf.rx_adv_conf.rss_conf.rss_key_len =
            info.hash_key_size >= 40 && info.hash_key_size <= 64 ? info.hash_key_size : 40;
    }
    while ((rc = rte_eth_dev_configure(id, n, n, &conf)) != 0 && n > 1)
        n--; /* a driver may claim more queues than the kernel gives it */
    if (rc != 0)
        return rc;
    core->queues[i] = n;
    rte_eth_dev_adjust_nb_rx_tx_desc(id, &rxd, &txd);
    for (uint16_t q = 0; q < n && rc == 0; q++) {
        rc = rte_eth_rx_queue_setup(id, q, rxd, 0, NULL, mbufs);
        if (rc == 0)
            rc = rte_eth_tx_queue_setup(id, q, txd, 0, NULL);
    }
    if (rc == 0)
        rc = rte_eth_dev_start(id);
    if (rc == 0 && conf.rxmode.mq_mode == RTE_ETH_MQ_RX_RSS)
        fill_reta(id, info.reta_size, n);
    return rc;
}

/* net_tap gives the kernel's end the port's MAC: then we need another one. */
static void set_mac(const struct core_port_settings *port, uint16_t id, uint8_t mac[MAC_BYTES])
{
    struct rte_ether_addr addr;

    rte_eth_macaddr_get(id, &addr);
    memcpy(mac, addr.addr_bytes, MAC_BYTES);
    if (strncmp(port->device, "net_tap", 7) == 0) {
        mac[0] = (uint8_t)((mac[0] | 0x02) & 0xfe);
        mac[4] ^= 0x5a;
        mac[5] ^= 0x25;
    }
}

static int open_port(struct core *core, unsigned i, struct rte_mempool *mbufs, struct net_if *nif,
                     const uint8_t rss_key[40])
{
    const struct core_port_settings *port = &core->settings.ports[i];
    char interface[64];
    uint16_t id;
    int rc;

    core_port_interface(port->device, interface, sizeof(interface));
    if (!core->settings.force && core_port_default_route(interface)) {
        snprintf(why_text, sizeof(why_text),
                 "port %s: interface %s carries this machine's default "
                 "route; taking it would cut the machine off (sluice run --force if you mean it)",
                 port->device, interface);
        return -1;
    }
    if (find_port(port->device, &id) != 0) {
        snprintf(why_text, sizeof(why_text),
                 "port %s: DPDK has no such device (is it bound to "
                 "vfio-pci, or the interface there?)",
                 port->device);
        return -1;
    }
    core->port_id[i] = id;
    core->port_index[id] = (uint8_t)i;
    rc = configure(core, i, rss_key, mbufs);
    if (rc != 0) {
        snprintf(why_text, sizeof(why_text), "port %s: cannot be set up: %s", port->device,
                 strerror(-rc));
        return -1;
    }
    /* Neighbour discovery and VLANs come by multicast; a port that cannot filter takes all. */
    if (rte_eth_allmulticast_enable(id) != 0)
        rte_eth_promiscuous_enable(id);
    nif->mtu = port->mtu;
    nif->vlan = port->vlan;
    nif->reply_by_gateway = port->reply_by_gateway;
    nif->addresses_count = (uint8_t)port->addresses_count;
    nif->gateways_count = (uint8_t)port->gateways_count;
    memcpy(nif->addresses, port->addresses, sizeof(nif->addresses));
    memcpy(nif->gateways, port->gateways, sizeof(nif->gateways));
    set_mac(port, id, nif->mac);
    return 0;
}

void core_ports_count(struct worker *w)
{
    uint64_t missed = 0, no_mbuf = 0, errors = 0;
    struct rte_eth_stats stats;

    for (unsigned i = 0; i < w->core->settings.ports_count; i++) {
        if (rte_eth_stats_get(w->core->port_id[i], &stats) != 0)
            continue;
        missed += stats.imissed;
        no_mbuf += stats.rx_nombuf;
        errors += stats.ierrors;
    }
    count_set(&w->counters[CORE_RX_MISSED], missed);
    count_set(&w->counters[CORE_RX_NO_MBUF], no_mbuf);
    count_set(&w->counters[CORE_RX_ERRORS], errors);
}

int core_ports_open(struct core *core, struct rte_mempool *mbufs, struct net_if *ret_ifs,
                    const uint8_t rss_key[40], const char **ret_why)
{
    for (unsigned i = 0; i < core->settings.ports_count; i++) {
        if (open_port(core, i, mbufs, &ret_ifs[i], rss_key) != 0) {
            *ret_why = why_text;
            return -1;
        }
    }
    return 0;
}

void core_ports_close(struct core *core)
{
    for (unsigned i = 0; i < core->settings.ports_count; i++) {
        rte_eth_dev_stop(core->port_id[i]);
        rte_eth_dev_close(core->port_id[i]);
    }
}
