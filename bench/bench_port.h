/* bench_port.h - the generator's one DPDK port: EAL, frames in, frames out.
 *
 * One lcore, one queue pair.  Checksums are made and verified in software both ways, as the
 * edge does on a virtual port.  The only DPDK code here: frames do not leave this file.
 */
#ifndef BENCH_PORT_H
#define BENCH_PORT_H

#include "net.h"

struct port_settings {
    const char    *device;    /* devargs: "net_memif0,role=client,socket=/path,socket-abstract=no" */
    unsigned       core;
    unsigned       memory_mb; /* without huge pages: all that EAL gets */
    bool           huge;
    struct ip_addr address;   /* the first of `clients` */
    uint8_t        prefix;
    unsigned       clients;
    struct ip_addr next_hop;  /* resolved by ARP: the server, or the router before it */
};

struct port_frames; /* DPDK's side */

struct port {
    struct net         *net;
    struct port_frames *frames;
    uint64_t rx_frames, rx_bytes, tx_frames, tx_bytes;
    uint64_t tx_drops; /* the device's queue was full */
    uint64_t no_frame;
    uint64_t net_drops[NET_DROPS];
};

/* Starts EAL and the port. 0; -1 and *ret_why (static buffer). */
int  bench_port_open(struct port *port, const struct port_settings *settings, const char **ret_why);
void bench_port_close(struct port *port);

/* A burst comes in: how many frames.  Then bench_port_next() until false: each *ret_seg is a TCP
 * segment, borrowing from its frame until the next call; all else has been dealt with. */
unsigned bench_port_receive(struct port *port);
bool     bench_port_next(struct port *port, struct usec now, struct tcp_seg *ret_seg);

bool bench_port_send(void *port, const struct tcp_seg *seg, const struct span *text,
                     unsigned pieces); /* struct tcp_out's */
void bench_port_tick(struct port *port, struct usec now);
void bench_port_flush(struct port *port);

/* The clock that the loop reads each turn: counts, so many a second. */
uint64_t bench_port_cycles(void);
uint64_t bench_port_hz(void);

#endif
