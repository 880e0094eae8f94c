/* tcp_reset.c - resets. */
#include "tcp_core.h"

static void reset(struct tcp *tcp, const struct tcp_key *key, const struct net_path *path,
                  uint32_t seq, uint32_t ack, bool with_ack)
{
    struct tcp_seg out = {
        .key = *key,
        .path = *path,
        .seq = seq,
        .ack = with_ack ? ack : 0,
        .flags = (uint8_t)(TCP_RST | (with_ack ? TCP_ACK : 0)),
    };

    tcp_count(tcp, TCP_COUNT_OUT_RSTS);
    tcp_emit(tcp, &out, NULL, 0);
}

void tcp_reset_at(struct tcp *tcp, const struct tcp_seg *seg)
{
    if (!tcp_valve_take(tcp, &tcp->resets, TCP_RESETS_PER_SECOND)) {
        tcp_count(tcp, TCP_COUNT_RSTS_HELD);
        return;
    }
    reset(tcp, &seg->key, &seg->path, seg->ack, 0, false);
}

void tcp_reset_stranger(struct tcp *tcp, const struct tcp_seg *seg)
{
    uint32_t len = (uint32_t)seg->text.len + (seg->flags & TCP_SYN ? 1 : 0) +
                   (seg->flags & TCP_FIN ? 1 : 0);

    if (seg->flags & TCP_RST)
        return;
    if (seg->flags & TCP_ACK) {
        tcp_reset_at(tcp, seg);
        return;
    }
    if (!tcp_valve_take(tcp, &tcp->resets, TCP_RESETS_PER_SECOND)) {
        tcp_count(tcp, TCP_COUNT_RSTS_HELD);
        return;
    }
    reset(tcp, &seg->key, &seg->path, 0, seg->seq + len, true);
}

void tcp_syn_reset(struct tcp *tcp, const struct tcp_seg *syn)
{
    tcp_reset_stranger(tcp, syn);
}

void tcp_reset_conn(struct tcp *tcp, const struct tcp_conn *c)
{
    reset(tcp, &c->key, &c->path, c->snd_nxt, c->rcv_nxt, true);
}

void tcp_embryo_reset(struct tcp *tcp, uint32_t index)
{
    struct tcp_embryo *e = tcp_embryo_of(tcp, index);
    struct tcp_key key = tcp_embryo_key(tcp, e);
    const struct tcp_door *door = &tcp->doors[e->door];
    struct net_path path = {.vlan = door->vlan, .port = door->net_port};

    memcpy(path.mac, e->mac, sizeof(path.mac));
    reset(tcp, &key, &path, tcp_isn(tcp, &key, e->born) + 1, e->irs + 1, true);
    tcp_embryo_free(tcp, e);
}
