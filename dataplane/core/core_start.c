/* core_start.c - memory and tables of the workers, once, at start. */
#include "core_start.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf_pool_ops.h>

#include "core_clients.h"
#include "core_eal.h"
#include "core_port.h"
#include "core_spool.h"
#include "core_stats.h"
#include "net.h"

#define WHEEL_TICK_US  10000u
#define RECEIVE_WINDOW (256u << 10)
#define SEND_BUFFER    (64u << 10)
#define TIME_WAITS_MIN 65536u
#define TIME_WAITS_MAX 4000000u
#define POOL_MIN       8192u
#define MBUF_CACHE     256
#define FRAME_OVERHEAD 22u /* Ethernet, 802.1Q, and its CRC where a port keeps it */

/* Zeroed, 64-byte aligned, touched only on use, never in a core file: it holds mail. */
static void *take_memory(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                   -1, 0);

    if (p == MAP_FAILED)
        return NULL;
    madvise(p, bytes, MADV_DONTDUMP);
    return p;
}

static uint32_t at_least(uint32_t n, uint32_t min)
{
    return n > min ? n : min;
}

static struct tcp_config tcp_plan(const struct core *core, unsigned index)
{
    uint32_t share = core->settings.sessions / core->workers_count;
    /* Hashing does not deal evenly: an eighth more than the share. */
    uint32_t slots = core->workers_count == 1 ? share : share + share / 8 + 64;
    struct tcp_config c = {
        .connections = slots,
        .embryos = at_least(slots, POOL_MIN),
        .time_waits =
            at_least(slots < TIME_WAITS_MAX / 4 ? slots * 4 : TIME_WAITS_MAX, TIME_WAITS_MIN),
        .blocks = at_least(slots / 4, POOL_MIN),
        .receive_window = RECEIVE_WINDOW,
        .send_buffer = SEND_BUFFER,
        .worker = index,
        .time_wait_us = 60000000,
        .keepalive_us = 120000000,
        .linger_us = 5000000,
        .mss_v4 = (uint16_t)(core->settings.ports[0].mtu - 40),
        .mss_v6 = (uint16_t)(core->settings.ports[0].mtu - 60),
    };

    for (unsigned p = 1; p < core->settings.ports_count; p++) {
        uint16_t mtu = core->settings.ports[p].mtu;

        if (mtu - 40 < c.mss_v4)
            c.mss_v4 = (uint16_t)(mtu - 40);
        if (mtu - 60 < c.mss_v6)
            c.mss_v6 = (uint16_t)(mtu - 60);
    }
    return c;
}

static int make_tcp(struct worker *w, const uint8_t secret[32])
{
    struct tcp_config config = tcp_plan(w->core, w->index);
    struct tcp_out out = {.ctx = w, .send = frame_send_segment};
    void *memory;

    memcpy(config.secret, secret, sizeof(config.secret));
    memory = take_memory(tcp_bytes(&config));
    if (memory == NULL)
        return -1;
    w->sessions_cap = config.connections;
    w->tcp = tcp_init(memory, &config, &out, w->tcp_counters);
    return w->tcp != NULL ? 0 : -1;
}

static int make_sessions(struct worker *w, struct ring *log_ring)
{
    uint32_t blocks = at_least(w->sessions_cap * 2, POOL_MIN);
    struct spool_ask_later *later = take_memory(sizeof(*later) * w->sessions_cap);
    void *envelopes = take_memory(pool_bytes(blocks, SMTP_BLOCK_BYTES));
    void *log = take_memory(ring_bytes(LOG_ENTRIES, sizeof(struct smtp_log_event)));

    w->sessions = take_memory(sizeof(*w->sessions) * w->sessions_cap);
    if (w->sessions == NULL || later == NULL || envelopes == NULL || log == NULL)
        return -1;
    pool_init(&w->blocks, envelopes, blocks, SMTP_BLOCK_BYTES);
    wheel_init(&w->wheel, &w->sessions[0].timer, sizeof(*w->sessions), w->sessions_cap,
               WHEEL_TICK_US, core_now(w->core));
    spool_init(&w->spool, later, w->sessions_cap);
    ring_attach(&w->log_ring, log, LOG_ENTRIES, sizeof(struct smtp_log_event));
    ring_attach(log_ring, log, LOG_ENTRIES, sizeof(struct smtp_log_event));
    w->log = (struct smtp_log){.events = w->log_events, .cap = LOG_SCRATCH};
    return 0;
}

static struct worker *make_worker(struct core *core, unsigned index, struct rte_mempool *mbufs,
                                  struct frag *frag, const uint8_t secret[32],
                                  struct ring *log_ring)
{
    struct worker *w = take_memory(sizeof(*w));
    struct stats_worker *stats = &core->stats->worker[index];

    if (w == NULL)
        return NULL;
    w->core = core;
    w->index = index;
    w->lcore = index + 1;
    w->net = core->net;
    w->mbufs = mbufs;
    w->frag = frag;
    w->now = core_now(core);
    w->counters = &stats->counters[STATS_CORE];
    w->net_drops = &stats->counters[STATS_NET];
    w->tcp_counters = &stats->counters[STATS_TCP];
    w->smtp_counters = &stats->counters[STATS_SMTP];
    w->histograms = stats->histograms;
    if (make_tcp(w, secret) != 0 || make_sessions(w, log_ring) != 0)
        return NULL;
    for (unsigned p = 0; p < core->settings.ports_count; p++) {
        w->port[p].owns = index < core->queues[p];
        w->port[p].queue = (uint16_t)index;
        w->port[p].sender = (uint16_t)(index % core->queues[p]);
    }
    return w;
}

/* A pair of rings from every worker to every other: frames to own, frames to send. */
static int join_workers(struct core *core)
{
    for (unsigned from = 0; from < core->workers_count; from++) {
        for (unsigned to = 0; to < core->workers_count; to++) {
            struct worker *a = core->workers[from], *b = core->workers[to];
            size_t bytes = ring_bytes(FORWARD_ENTRIES, sizeof(void *));
            void *forward, *send;

            if (from == to)
                continue;
            forward = take_memory(bytes);
            send = take_memory(bytes);
            if (forward == NULL || send == NULL)
                return -1;
            ring_attach(&a->forward_out[to], forward, FORWARD_ENTRIES, sizeof(void *));
            ring_attach(&b->forward_in[from], forward, FORWARD_ENTRIES, sizeof(void *));
            ring_attach(&a->send_out[to], send, FORWARD_ENTRIES, sizeof(void *));
            ring_attach(&b->send_in[from], send, FORWARD_ENTRIES, sizeof(void *));
        }
    }
    return 0;
}

/* Frames for all ports and workers.  Only a PCI device does DMA; for the others frames lie dense,
 * across page borders: without huge pages DPDK would spend a page on each, and AF_XDP's driver
 * takes the pool for dense when it tells the kernel how long it is (frames beyond that are lost
 * to it one by one, until nothing is received any more: seen with 22.11 and --no-huge). */
static struct rte_mempool *make_mbufs(const struct core *core)
{
    struct rte_pktmbuf_pool_private private = {0};
    unsigned n = core_ports_mbufs(&core->settings), room = RTE_MBUF_DEFAULT_DATAROOM;
    unsigned flags = RTE_MEMPOOL_F_NO_IOVA_CONTIG;
    struct rte_mempool *pool;

    for (unsigned i = 0; i < core->settings.ports_count; i++) {
        unsigned frame = core->settings.ports[i].mtu + FRAME_OVERHEAD;

        if (core_eal_is_pci(core->settings.ports[i].device))
            flags = 0;
        if (frame > room)
            room = frame;
    }
    private.mbuf_data_room_size = (uint16_t)(room + RTE_PKTMBUF_HEADROOM);
    pool = rte_mempool_create_empty("sluice-mbufs", n,
                                    (unsigned)sizeof(struct rte_mbuf) + private.mbuf_data_room_size,
                                    MBUF_CACHE, sizeof(private), SOCKET_ID_ANY, flags);
    if (pool == NULL || rte_mempool_set_ops_byname(pool, rte_mbuf_best_mempool_ops(), NULL) != 0)
        return NULL;
    rte_pktmbuf_pool_init(pool, &private);
    if (rte_mempool_populate_default(pool) < 0)
        return NULL;
    rte_mempool_obj_iter(pool, rte_pktmbuf_init, NULL);
    return pool;
}

static int start_net(struct core *core, struct rte_mempool *mbufs, const uint8_t secret[32],
                     const char **ret_why)
{
    struct net_if ifs[NET_PORTS_MAX];
    uint8_t rss_key[40];
    void *memory = take_memory(net_bytes());

    memset(ifs, 0, sizeof(ifs));
    if (memory == NULL || getrandom(rss_key, sizeof(rss_key), 0) != (ssize_t)sizeof(rss_key)) {
        *ret_why = "no memory for the network tables";
        return -1;
    }
    if (core_ports_open(core, mbufs, ifs, rss_key, ret_why) != 0)
        return -1;
    core->net = net_init(memory, ifs, core->settings.ports_count, secret);
    net_set_rss_key(core->net, rss_key);
    return 0;
}

int core_start(struct core *core, struct ring *log_rings, const char **ret_why)
{
    struct rte_mempool *mbufs;
    struct frag *frag;
    uint8_t secret[32];

    core->workers_count = core->settings.workers;
    if (core_eal_start(&core->settings, &core->huge, ret_why) != 0 ||
        core_stats_define(core, ret_why) != 0)
        return -1;
    core->tsc_hz = rte_get_tsc_hz();
    core->tsc_start = rte_rdtsc();
    *ret_why = "too little memory (dataplane.memory, limits.sessions)";
    mbufs = make_mbufs(core);
    frag = frag_new(core->tsc_hz);
    if (mbufs == NULL || frag == NULL ||
        getrandom(secret, sizeof(secret), 0) != (ssize_t)sizeof(secret))
        return -1;
    core->clients = clients_new(secret);
    if (core->clients == NULL || start_net(core, mbufs, secret, ret_why) != 0)
        return -1;
    for (unsigned i = 0; i < core->workers_count; i++) {
        core->workers[i] = make_worker(core, i, mbufs, frag, secret, &log_rings[i]);
        if (core->workers[i] == NULL)
            return -1;
    }
    return join_workers(core);
}
