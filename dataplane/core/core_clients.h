/* core_clients.h - concurrent sessions of each client, over all workers.
 *
 * A count-min sketch: two rows of atomic counters, each client adds to one cell in either and
 * the smaller is believed.  The figure is never too low; it is too high only for a client that
 * shares both cells with others (with 100,000 clients connected, about 3 in 10,000 see one
 * stranger).  IPv4 is counted by address, IPv6 by /64.
 *
 * Threads: all workers, relaxed atomics, no lock.
 */
#ifndef CORE_CLIENTS_H
#define CORE_CLIENTS_H

#include "base_types.h"

struct clients;

struct clients *clients_new(const uint8_t key[16]); /* NULL: no memory */
uint32_t clients_add(struct clients *c, const struct ip_addr *client); /* sessions now, this one included */
void     clients_drop(struct clients *c, const struct ip_addr *client);
struct clients *clients_free(struct clients *c);

#endif
