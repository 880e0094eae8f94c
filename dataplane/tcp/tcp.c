/* tcp.c - one core's TCP: its memory and its small questions. */
#include "tcp_core.h"

/* Offsets of the parts in the one piece of memory. */
struct layout {
    size_t conns, embryos, blocks, waits, conn_heads, embryo_heads, wait_heads, total;
};

static size_t part(size_t *at, size_t bytes)
{
    size_t start = *at;

    *at = (start + bytes + CACHE_LINE_BYTES - 1) / CACHE_LINE_BYTES * CACHE_LINE_BYTES;
    return start;
}

static struct layout layout_of(const struct tcp_config *config)
{
    struct layout l;
    size_t at = 0;

    part(&at, sizeof(struct tcp));
    l.conns = part(&at, pool_bytes(config->connections, sizeof(struct tcp_conn)));
    l.embryos = part(&at, pool_bytes(config->embryos, sizeof(struct tcp_embryo)));
    l.blocks = part(&at, pool_bytes(config->blocks, TCP_BLOCK_BYTES));
    l.waits = part(&at, (size_t)config->time_waits * sizeof(struct tcp_wait));
    l.conn_heads = part(&at, (size_t)tcp_table_heads(config->connections) * sizeof(uint32_t));
    l.embryo_heads = part(&at, (size_t)tcp_table_heads(config->embryos) * sizeof(uint32_t));
    l.wait_heads = part(&at, (size_t)tcp_table_heads(config->time_waits) * sizeof(uint32_t));
    l.total = at;
    return l;
}

size_t tcp_bytes(const struct tcp_config *config)
{
    return layout_of(config).total;
}

static struct tcp_table table_at(uint8_t *memory, size_t offset, uint32_t entries)
{
    return (struct tcp_table){
        .heads = (uint32_t *)(void *)(memory + offset),
        .mask = tcp_table_heads(entries) - 1,
    };
}

struct tcp *tcp_init(void *memory, const struct tcp_config *config, const struct tcp_out *out,
                     struct count *counters)
{
    struct layout l = layout_of(config);
    uint8_t *base = memory;
    struct tcp *tcp = memory;

    must((uintptr_t)memory % CACHE_LINE_BYTES == 0);
    must(config->connections < TCP_CONNECTIONS_MAX && config->embryos < TCP_CONNECTIONS_MAX);
    must(config->time_waits <= 1u << 30 && config->blocks <= 1u << 30);
    must(config->receive_window <= (65535u << TCP_WSCALE_MAX) && config->send_buffer < 1u << 30);
    must(config->mss_v4 >= TCP_MSS_MIN && config->mss_v6 >= TCP_MSS_MIN);
    memset(tcp, 0, sizeof(*tcp));
    tcp->config = *config;
    tcp->out = *out;
    tcp->counters = counters;
    tcp->cc = &tcp_newreno;
    while (config->receive_window >> tcp->rcv_wscale > 65535)
        tcp->rcv_wscale++;
    tcp_isn_init(tcp);
    pool_init(&tcp->conns, base + l.conns, config->connections, sizeof(struct tcp_conn));
    pool_init(&tcp->embryos, base + l.embryos, config->embryos, sizeof(struct tcp_embryo));
    pool_init(&tcp->blocks, base + l.blocks, config->blocks, TCP_BLOCK_BYTES);
    tcp->waits = (struct tcp_wait *)(void *)(base + l.waits);
    tcp->conn_table = table_at(base, l.conn_heads, config->connections);
    tcp->embryo_table = table_at(base, l.embryo_heads, config->embryos);
    tcp->wait_table = table_at(base, l.wait_heads, config->time_waits);
    wheel_init(&tcp->wheel, base + l.conns + offsetof(struct tcp_conn, timer),
               sizeof(struct tcp_conn), config->connections, TCP_TICK_US, tcp->now);
    return tcp;
}

uint32_t tcp_slot(const struct tcp_conn *c)
{
    return c->slot;
}

struct tcp_conn *tcp_at(struct tcp *tcp, uint32_t slot)
{
    struct tcp_conn *c;

    if (slot >= tcp->conns.fresh)
        return NULL;
    c = tcp_conn_of(tcp, slot);
    return c->state == 0 ? NULL : c;
}

const struct tcp_key *tcp_conn_key(const struct tcp_conn *c)
{
    return &c->key;
}

bool tcp_established(const struct tcp_conn *c)
{
    return (c->state & (TCP_SYN_SENT | TCP_SYN_RCVD | TCP_CLOSED)) == 0;
}

struct tcp_census tcp_census(const struct tcp *tcp)
{
    return (struct tcp_census){
        .connections = tcp->conns.used,
        .embryos = tcp->embryos.used,
        .time_waits = tcp->wait_live,
        .blocks = tcp->blocks.used,
    };
}
