/* net_out.c - a TCP segment becomes a frame. */
#include "net_private.h"
#include "wire_ip4.h"
#include "wire_ip6.h"
#include "wire_sum.h"
#include "wire_tcp.h"

static size_t ip_header(const struct net *net, const struct tcp_seg *seg, size_t text_bytes,
                        size_t l4_bytes, bool v4, uint8_t *out)
{
    uint8_t ecn = seg->ecn & 3;

    if (v4)
        return wire_ip4_write(out, &seg->key.local, &seg->key.remote, IP_TCP, ecn, NET_TTL,
                              net_ip_id(net, seg, text_bytes), (uint16_t)l4_bytes);
    return wire_ip6_write(out, &seg->key.local, &seg->key.remote, IP_TCP, ecn,
                          net_flow_label(net, &seg->key), NET_TTL, (uint16_t)l4_bytes);
}

static uint16_t checksum(const struct tcp_seg *seg, struct span l4, bool v4, bool l4_offload)
{
    uint64_t sum;

    if (v4)
        sum = wire_sum_pseudo4(seg->key.local.octets + 12, seg->key.remote.octets + 12, IP_TCP,
                               (uint16_t)l4.len);
    else
        sum = wire_sum_pseudo6(seg->key.local.octets, seg->key.remote.octets, IP_TCP,
                               (uint32_t)l4.len);
    /* A device adds the segment to what it finds in the field, so there the pseudo-header's sum
     * stands as it is. */
    return l4_offload ? wire_sum_fold(sum) : wire_sum_finish(wire_sum_add(sum, l4));
}

size_t net_encode(struct net *net, const struct tcp_seg *seg, const struct span *text,
                  unsigned pieces, bool l4_offload, uint8_t *out, size_t room,
                  struct net_lens *ret_lens)
{
    const struct net_port *port = &net->ports[seg->path.port];
    bool v4 = ip_is_v4(&seg->key.remote);
    size_t l2 = seg->path.vlan != 0 ? ETH_HEADER_BYTES_MAX : ETH_HEADER_BYTES;
    size_t l3 = v4 ? IP4_HEADER_BYTES : IP6_HEADER_BYTES;
    size_t header = wire_tcp_header_bytes(seg), text_bytes = 0, l4;
    uint8_t mac[MAC_BYTES], *p;

    must_hot(seg->path.port < net->count && ip_is_v4(&seg->key.local) == v4);
    for (unsigned i = 0; i < pieces; i++)
        text_bytes += text[i].len;
    l4 = header + text_bytes;
    if (l3 + l4 > port->cfg.mtu || l2 + l3 + l4 > room ||
        !net_next_hop(port, &seg->key.local, &seg->key.remote, seg->path.mac, mac))
        return 0;
    wire_eth_write(out, mac, port->cfg.mac, seg->path.vlan, v4 ? ETH_IP4 : ETH_IP6);
    ip_header(net, seg, text_bytes, l4, v4, out + l2);
    p = out + l2 + l3;
    wire_tcp_write(seg, p, header);
    p += header;
    for (unsigned i = 0; i < pieces; i++) {
        if (text[i].len > 0)
            memcpy(p, text[i].ptr, text[i].len);
        p += text[i].len;
    }
    p = out + l2 + l3;
    wire_put16(p + 16, checksum(seg, span_of(p, l4), v4, l4_offload));
    *ret_lens = (struct net_lens){.l2 = (uint16_t)l2, .l3 = (uint16_t)l3, .l4 = (uint16_t)header};
    return l2 + l3 + l4;
}
