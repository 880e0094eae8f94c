/* bench_port.c - EAL and one port for the generator. */
#include "bench_port.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#define DESCRIPTORS 1024
#define MBUFS       16383
#define MBUF_CACHE  256
#define MTU         1500
#define TICK_FRAMES 8
#define BURST       32

struct port_frames {
    uint16_t id;
    struct rte_mempool *pool;
    struct rte_mbuf *answer; /* spare frame that net_input answers into */
    struct rte_mbuf *tx[BURST], *rx[BURST];
    unsigned pending, received, next; /* next: of rx, to be looked at */
};

static char why_text[256];

static int fail(const char *what, int rc, const char **ret_why)
{
    snprintf(why_text, sizeof(why_text), "%s: %s", what, rte_strerror(rc < 0 ? -rc : rc));
    *ret_why = why_text;
    return -1;
}

/* EAL keeps pointers into the arguments: never freed. */
static int start_eal(const struct port_settings *s, const char **ret_why)
{
    char lcores[24], prefix[40], memory[16];
    char *argv[16];
    int argc = 0;

    snprintf(lcores, sizeof(lcores), "0@%u", s->core);
    snprintf(prefix, sizeof(prefix), "--file-prefix=sluice-load-%d", (int)getpid());
    snprintf(memory, sizeof(memory), "%u", s->memory_mb);
    argv[argc++] = strdup("sluice-load");
    argv[argc++] = strdup("--lcores");
    argv[argc++] = strdup(lcores);
    argv[argc++] = strdup("--no-telemetry");
    argv[argc++] = strdup("--log-level=lib.*:error");
    argv[argc++] = strdup("--log-level=pmd.*:error");
    argv[argc++] = strdup("--no-pci");
    argv[argc++] = strdup(prefix);
    if (s->huge) {
        argv[argc++] = strdup("--in-memory");
        argv[argc++] = strdup("--single-file-segments");
    } else {
        argv[argc++] = strdup("--no-huge");
        argv[argc++] = strdup("--no-shconf");
        argv[argc++] = strdup("-m");
        argv[argc++] = strdup(memory);
    }
    argv[argc++] = strdup("--vdev");
    argv[argc++] = strdup(s->device);
    return rte_eal_init(argc, argv) >= 0 ? 0 : fail("EAL", rte_errno, ret_why);
}

/* Dense frames: without huge pages each would cost a page else. */
static struct rte_mempool *make_mbufs(void)
{
    struct rte_pktmbuf_pool_private private = {.mbuf_data_room_size = RTE_MBUF_DEFAULT_BUF_SIZE};
    struct rte_mempool *pool = rte_mempool_create_empty(
        "load-mbufs", MBUFS, (unsigned)sizeof(struct rte_mbuf) + RTE_MBUF_DEFAULT_BUF_SIZE,
        MBUF_CACHE, sizeof(private), SOCKET_ID_ANY, RTE_MEMPOOL_F_NO_IOVA_CONTIG);

    if (pool == NULL)
        return NULL;
    rte_pktmbuf_pool_init(pool, &private);
    if (rte_mempool_populate_default(pool) < 0)
        return NULL;
    rte_mempool_obj_iter(pool, rte_pktmbuf_init, NULL);
    return pool;
}

static int start_port(struct port_frames *port, const char *device, const char **ret_why)
{
    struct rte_eth_conf conf = {.rxmode = {.mtu = MTU}};
    uint16_t rxd = DESCRIPTORS, txd = DESCRIPTORS;
    char name[RTE_ETH_NAME_MAX_LEN];
    int rc;

    snprintf(name, sizeof(name), "%.*s", (int)strcspn(device, ","), device);
    rc = rte_eth_dev_get_port_by_name(name, &port->id);
    if (rc == 0)
        rc = rte_eth_dev_configure(port->id, 1, 1, &conf);
    if (rc == 0)
        rc = rte_eth_dev_adjust_nb_rx_tx_desc(port->id, &rxd, &txd);
    if (rc == 0)
        rc = rte_eth_rx_queue_setup(port->id, 0, rxd, 0, NULL, port->pool);
    if (rc == 0)
        rc = rte_eth_tx_queue_setup(port->id, 0, txd, 0, NULL);
    if (rc == 0)
        rc = rte_eth_dev_start(port->id);
    if (rc != 0)
        return fail(name, rc, ret_why);
    return 0;
}

static int start_net(struct port *port, const struct port_settings *s, const char **ret_why)
{
    static const uint8_t secret[32] = "sluice-load";
    struct net_if *nif = calloc(1, sizeof(*nif));
    void *memory = aligned_alloc(64, (net_bytes() + 63) & ~(size_t)63);
    struct rte_ether_addr mac;

    if (nif == NULL || memory == NULL) {
        free(nif);
        free(memory);
        return fail("network tables", ENOMEM, ret_why);
    }
    rte_eth_macaddr_get(port->frames->id, &mac);
    memcpy(nif->mac, mac.addr_bytes, MAC_BYTES);
    nif->mtu = MTU;
    nif->addresses_count = (uint8_t)s->clients;
    for (unsigned i = 0; i < s->clients; i++) {
        nif->addresses[i].ip = ip_from_v4(ip_to_v4(&s->address) + i);
        nif->addresses[i].prefix = s->prefix;
    }
    nif->gateways_count = 1;
    nif->gateways[0] = s->next_hop;
    port->net = net_init(memory, nif, 1, secret);
    free(nif);
    return 0;
}

int bench_port_open(struct port *port, const struct port_settings *settings, const char **ret_why)
{
    struct port_frames *f = calloc(1, sizeof(*f));

    *port = (struct port){.frames = f};
    if (f == NULL)
        return fail("frames", ENOMEM, ret_why);
    if (start_eal(settings, ret_why) != 0)
        return -1;
    f->pool = make_mbufs();
    if (f->pool == NULL)
        return fail("frames", rte_errno, ret_why);
    if (start_port(f, settings->device, ret_why) != 0)
        return -1;
    return start_net(port, settings, ret_why);
}

void bench_port_close(struct port *port)
{
    rte_eth_dev_stop(port->frames->id);
    rte_eth_dev_close(port->frames->id);
    rte_eal_cleanup();
}

uint64_t bench_port_cycles(void)
{
    return rte_rdtsc();
}

uint64_t bench_port_hz(void)
{
    return rte_get_tsc_hz();
}

/* ---- out ---- */

void bench_port_flush(struct port *port)
{
    struct port_frames *f = port->frames;
    uint16_t sent;

    if (f->pending == 0)
        return;
    sent = rte_eth_tx_burst(f->id, 0, f->tx, (uint16_t)f->pending);
    for (unsigned i = sent; i < f->pending; i++)
        rte_pktmbuf_free(f->tx[i]);
    port->tx_frames += sent;
    port->tx_drops += f->pending - sent;
    f->pending = 0;
}

static void queue_frame(struct port *port, struct rte_mbuf *m, size_t n)
{
    struct port_frames *f = port->frames;

    m->data_len = (uint16_t)n;
    m->pkt_len = (uint32_t)n;
    if (f->pending == BURST)
        bench_port_flush(port);
    f->tx[f->pending++] = m;
    port->tx_bytes += n;
}

static struct rte_mbuf *take_frame(struct port *port)
{
    struct rte_mbuf *m = rte_pktmbuf_alloc(port->frames->pool);

    port->no_frame += m == NULL;
    return m;
}

bool bench_port_send(void *ctx, const struct tcp_seg *seg, const struct span *text, unsigned pieces)
{
    struct port *port = ctx;
    struct rte_mbuf *m = take_frame(port);
    struct net_lens lens;
    size_t n;

    if (m == NULL)
        return false;
    n = net_encode(port->net, seg, text, pieces, false, rte_pktmbuf_mtod(m, uint8_t *),
                   rte_pktmbuf_tailroom(m), &lens);
    if (n == 0) {
        rte_pktmbuf_free(m);
        return false;
    }
    queue_frame(port, m, n);
    return true;
}

void bench_port_tick(struct port *port, struct usec now)
{
    for (unsigned i = 0; i < TICK_FRAMES; i++) {
        struct rte_mbuf *m;
        unsigned index;
        size_t n;

        if (!usec_reached(net_next_due(port->net), now))
            return;
        m = take_frame(port);
        if (m == NULL)
            return;
        n = net_tick(port->net, now, rte_pktmbuf_mtod(m, uint8_t *), rte_pktmbuf_tailroom(m),
                     &index);
        if (n == 0) {
            rte_pktmbuf_free(m);
            return;
        }
        queue_frame(port, m, n);
    }
}

/* ---- in ---- */

unsigned bench_port_receive(struct port *port)
{
    struct port_frames *f = port->frames;

    f->next = 0;
    f->received = rte_eth_rx_burst(f->id, 0, f->rx, BURST);
    port->rx_frames += f->received;
    for (unsigned i = 0; i < f->received; i++) {
        rte_prefetch0(rte_pktmbuf_mtod(f->rx[i], void *));
        port->rx_bytes += f->rx[i]->pkt_len;
    }
    return f->received;
}

/* true: *ret has a segment, borrowing from m. */
static bool input(struct port *port, const struct rte_mbuf *m, struct usec now,
                  struct net_result *ret)
{
    struct port_frames *f = port->frames;

    if (f->answer == NULL)
        f->answer = take_frame(port);
    net_input(port->net, 0, span_of(rte_pktmbuf_mtod(m, const uint8_t *), m->data_len), false, now,
              f->answer != NULL ? rte_pktmbuf_mtod(f->answer, uint8_t *) : NULL,
              f->answer != NULL ? rte_pktmbuf_tailroom(f->answer) : 0, ret);
    if (ret->verdict == NET_ANSWER) {
        queue_frame(port, f->answer, ret->answer_bytes);
        f->answer = NULL;
    } else if (ret->verdict == NET_DROP) {
        port->net_drops[ret->drop]++;
    }
    return ret->verdict == NET_TCP;
}

bool bench_port_next(struct port *port, struct usec now, struct tcp_seg *ret_seg)
{
    struct port_frames *f = port->frames;
    struct net_result r;

    while (f->next < f->received) {
        if (f->next > 0)
            rte_pktmbuf_free(f->rx[f->next - 1]);
        if (input(port, f->rx[f->next++], now, &r)) {
            *ret_seg = r.seg;
            return true;
        }
    }
    if (f->received > 0)
        rte_pktmbuf_free(f->rx[f->received - 1]);
    f->received = 0;
    return false;
}
