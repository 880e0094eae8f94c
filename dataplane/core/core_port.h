/* core_port.h - opening DPDK ports: queue pairs, RSS, checksum offload, addresses. */
#ifndef CORE_PORT_H
#define CORE_PORT_H

#include "core_worker.h"

/* Finds, configures and starts every port of the settings; fills core->port_id, port_index,
 * queues, tx_checksum and the net_if of each.  0; -1 and *ret_why (static buffer). */
int core_ports_open(struct core *core, struct rte_mempool *mbufs, struct net_if *ret_ifs,
                    const uint8_t rss_key[40], const char **ret_why);
void core_ports_close(struct core *core);

/* What the ports themselves say they lost, into the counters of the worker that asks; now and
 * then, by one worker. */
void core_ports_count(struct worker *w);

/* Kernel interface behind a device ("" for none): from iface= of devargs or from sysfs. */
void core_port_interface(const char *device, char *out, size_t room);

/* Does that interface carry a default route here? A machine cut off by its own mail edge
 * cannot be mended from afar, so such a port wants --force. */
bool core_port_default_route(const char *interface);

/* How many mbufs the ports and workers need at the most, within memory_bytes. */
unsigned core_ports_mbufs(const struct core_settings *settings);

#endif
