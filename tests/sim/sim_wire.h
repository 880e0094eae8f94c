/* sim_wire.h - a wire between two TCP cores: segments in, the same or other ones out, later.
 *
 * Everything that goes wrong comes from the seed.  Corruption is loss, as it is to TCP behind a
 * checksum.
 */
#ifndef SIM_WIRE_H
#define SIM_WIRE_H

#include "base_rand.h"
#include "tcp.h"

#define SIM_TEXT_MAX 2048

struct sim_packet {
    uint64_t          due;
    uint64_t          serial; /* ties: first in, first out */
    unsigned          to;     /* 0 server, 1 client */
    struct tcp_seg    seg;
    uint8_t           text[SIM_TEXT_MAX];
};

struct sim_wire {
    struct rand rand;
    uint32_t loss, dup, reorder; /* in a million */
    uint64_t delay_us, jitter_us, reorder_us;
    uint32_t capacity;           /* packets under way; more are lost */
    bool     cut;                /* everything is lost from now on */
    uint64_t sent, lost, duplicated;
    uint64_t serial;
    struct sim_packet **heap;
    uint32_t            count;
};

void sim_wire_init(struct sim_wire *wire, uint64_t seed);
void sim_wire_done(struct sim_wire *wire);
/* Turns the tuple round, so that it arrives as its receiver sees it. */
void sim_wire_send(struct sim_wire *wire, uint64_t now, unsigned to, const struct tcp_seg *seg,
                   const struct span *text, unsigned pieces);
uint64_t sim_wire_due(const struct sim_wire *wire); /* UINT64_MAX: nothing under way */
/* The next packet that is due, or NULL; free it. */
struct sim_packet *sim_wire_take(struct sim_wire *wire, uint64_t now);

#endif
