/* tcp_listen.c - passive open: from a SYN that policy let in to a client that has something to
 * hear (RFC 9293 s3.10.7.2, and s3.10.7.4 for SYN-RECEIVED).
 *
 * The server speaks first, so a handshake whose last ACK was lost must be brought to its end by
 * us: SYN-ACKs are sent again, by lists of constant delay.  A client that waits politely costs
 * 64 bytes until the greeting is due.
 */
#include "tcp_core.h"

/* SYN-ACK n is sent 0, 1, 3, 7, 15 s after the first; after 31 s it is over. */
static uint64_t stage_end_us(unsigned stage)
{
    return ((2ull << stage) - 1) * TCP_SYN_ACK_FIRST_US;
}

static uint64_t age_us(const struct tcp *tcp, const struct tcp_embryo *e)
{
    int32_t age = (int32_t)((uint32_t)(tcp->now.us >> 2) - e->born);

    return age > 0 ? (uint64_t)(uint32_t)age << 2 : 0;
}

struct tcp_key tcp_embryo_key(const struct tcp *tcp, const struct tcp_embryo *e)
{
    const struct tcp_door *door = &tcp->doors[e->door];

    return (struct tcp_key){
        .remote = e->remote,
        .local = door->ip,
        .remote_port = e->remote_port,
        .local_port = door->port,
    };
}

static uint32_t first_window(const struct tcp *tcp)
{
    return tcp->config.receive_window < 65535 ? tcp->config.receive_window : 65535;
}

static void answer(struct tcp *tcp, const struct tcp_embryo *e, uint8_t flags)
{
    const struct tcp_door *door = &tcp->doors[e->door];
    struct tcp_seg out = {
        .key = tcp_embryo_key(tcp, e),
        .path = {.vlan = door->vlan, .port = door->net_port},
        .ack = e->irs + 1,
        .flags = flags,
    };
    uint32_t window = first_window(tcp);

    memcpy(out.path.mac, e->mac, sizeof(out.path.mac));
    out.seq = tcp_isn(tcp, &out.key, e->born) + (flags & TCP_SYN ? 0 : 1);
    if (e->flags & E_TIMESTAMPS) {
        out.has_timestamps = true;
        out.ts_val = tcp_tick(tcp) + tcp_ts_offset(tcp, &out.key);
        out.ts_ecr = e->ts_recent;
    }
    if (flags & TCP_SYN) {
        out.has_mss = true;
        out.mss = ip_is_v4(&door->ip) ? tcp->config.mss_v4 : tcp->config.mss_v6;
        out.has_sack_permitted = (e->flags & E_SACK) != 0;
        out.has_wscale = (e->flags & E_WSCALE) != 0;
        out.wscale = out.has_wscale ? tcp->rcv_wscale : 0;
    } else if (e->flags & E_WSCALE) {
        window = (window + (1u << tcp->rcv_wscale) - 1) >> tcp->rcv_wscale; /* not less than promised */
    }
    out.window = (uint16_t)window;
    tcp_emit(tcp, &out, NULL, 0);
}

bool tcp_syn_accept(struct tcp *tcp, const struct tcp_seg *syn, uint32_t tag, uint64_t wait_us,
                    uint64_t hold_us, struct usec now)
{
    uint64_t hash = tcp_hash(tcp, &syn->key);
    uint64_t most = (uint64_t)TCP_TICKS_MAX << TCP_TICK_SHIFT;
    struct tcp_wait *wait = tcp_wait_find(tcp, &syn->key, hash);
    uint16_t least = ip_is_v4(&syn->key.local) ? TCP_MSS_DEFAULT_V4 : TCP_MSS_DEFAULT_V6;
    struct tcp_embryo *e;
    uint32_t index, door;

    tcp->now = now;
    if (tcp_embryo_find(tcp, &syn->key, hash) != NULL || tcp_conn_find(tcp, &syn->key, hash) != NULL)
        return true; /* asked twice about one SYN */
    index = pool_take(&tcp->embryos);
    door = index == POOL_NONE ? POOL_NONE
                              : tcp_door_take(tcp, syn, tag, TCP_TICKS(wait_us < most ? wait_us : most),
                                              TCP_TICKS(hold_us < most ? hold_us : most));
    if (door == POOL_NONE) {
        if (index != POOL_NONE)
            pool_give(&tcp->embryos, index);
        tcp_count(tcp, TCP_COUNT_EMBRYO_FULL);
        return false;
    }
    if (wait != NULL) {
        tcp_wait_drop(tcp, wait);
        tcp_count(tcp, TCP_COUNT_TIME_WAIT_REUSED);
    }
    e = tcp_embryo_of(tcp, index);
    *e = (struct tcp_embryo){
        .remote = syn->key.remote,
        .remote_port = syn->key.remote_port,
        .door = (uint16_t)door,
        .mss = syn->has_mss ? syn->mss : least,
        .born = (uint32_t)(now.us >> 2),
        .irs = syn->seq,
        .ts_recent = syn->ts_val,
        .window = syn->window,
        .flags = (uint8_t)((syn->has_timestamps ? E_TIMESTAMPS : 0) |
                           (syn->has_sack_permitted ? E_SACK : 0) |
                           (syn->has_wscale ? E_WSCALE : 0)),
    };
    e->wscale = (syn->wscale < TCP_WSCALE_MAX ? syn->wscale : TCP_WSCALE_MAX) & 15u;
    memcpy(e->mac, syn->path.mac, sizeof(e->mac));
    tcp_embryo_link(tcp, index, hash);
    tcp_embryo_place(tcp, e, 0);
    tcp_count(tcp, TCP_COUNT_SYNS_ACCEPTED);
    answer(tcp, e, TCP_SYN | TCP_ACK);
    return true;
}

void tcp_embryo_free(struct tcp *tcp, struct tcp_embryo *e)
{
    uint32_t index = (uint32_t)(e - tcp_embryo_of(tcp, 0));
    struct tcp_key key = tcp_embryo_key(tcp, e);

    tcp_embryo_unplace(tcp, e);
    tcp_embryo_unlink(tcp, index, tcp_hash(tcp, &key));
    if (e->early != 0)
        pool_give(&tcp->blocks, e->early - 1);
    tcp_door_give(tcp, e->door);
    pool_give(&tcp->embryos, index);
}

static void challenge(struct tcp *tcp, const struct tcp_embryo *e)
{
    if (!tcp_valve_take(tcp, &tcp->challenges, TCP_CHALLENGES_PER_SECOND)) {
        tcp_count(tcp, TCP_COUNT_CHALLENGE_HELD);
        return;
    }
    tcp_count(tcp, TCP_COUNT_CHALLENGE_ACK);
    answer(tcp, e, TCP_ACK);
}

/* Text or FIN before there is a connection: what fits in one block is kept for it, the rest
 * the client will send again. */
static void early_input(struct tcp *tcp, struct tcp_embryo *e, const struct tcp_seg *seg)
{
    size_t take = seg->text.len < TCP_BLOCK_TEXT ? seg->text.len : TCP_BLOCK_TEXT;
    uint32_t window = first_window(tcp), block;

    if (seg->text.len > 0 && !(e->flags & E_EARLY)) {
        e->flags |= E_EARLY;
        tcp_count(tcp, TCP_COUNT_EMBRYO_EARLY);
    }
    if (seg->seq != e->irs + 1 || e->early != 0 || (e->flags & E_FIN))
        return;
    take = take < window ? take : window;
    if (take > 0) {
        block = tcp_keep_may_take(tcp) ? tcp_block_take(tcp, e->irs + 1) : POOL_NONE;
        if (block == POOL_NONE) {
            tcp_count(tcp, TCP_COUNT_EMBRYO_EARLY_DROP);
            return;
        }
        memcpy(tcp_block_of(tcp, block)->bytes, seg->text.ptr, take);
        tcp_block_of(tcp, block)->len = (uint16_t)take;
        e->early = block + 1;
    }
    if ((seg->flags & TCP_FIN) && take == seg->text.len)
        e->flags |= E_FIN;
}

/* Of several SYN-ACKs, the echo tells which was answered: within a second, so none was sent for
 * want of patience, and RFC 6298 s5.7 has no reason to make the greeting wait for 3 s. */
static bool answered_quickly(const struct tcp *tcp, const struct tcp_embryo *e, const struct tcp_seg *seg)
{
    struct tcp_key key;

    if (!(e->flags & E_TIMESTAMPS) || !seg->has_timestamps)
        return false;
    key = tcp_embryo_key(tcp, e);
    return tcp_tick(tcp) + tcp_ts_offset(tcp, &key) - seg->ts_ecr < TCP_TICKS(TCP_RTO_INITIAL_US);
}

/* An acceptable ACK: on to waiting, or to ready. */
static void established_input(struct tcp *tcp, struct tcp_embryo *e, const struct tcp_seg *seg)
{
    const struct tcp_door *door = &tcp->doors[e->door];
    bool talks = seg->text.len > 0 || (seg->flags & TCP_FIN);

    e->window = seg->window;
    if (seg->has_timestamps && seg->seq == e->irs + 1)
        e->ts_recent = seg->ts_val;
    if (e->place <= P_STAGE_LAST) {
        tcp_count(tcp, TCP_COUNT_PASSIVE_OPENS);
        if ((e->flags & E_RTX) && answered_quickly(tcp, e, seg))
            e->flags &= (uint8_t)~E_RTX;
        tcp_embryo_unplace(tcp, e);
        tcp_embryo_place(tcp, e, door->hold_ticks == 0 && door->wait_ticks == 0 ? P_READY : P_WAITING);
    }
    if (!talks)
        return;
    if (door->hold_ticks != 0) {
        if (seg->text.len > 0)
            tcp_count(tcp, TCP_COUNT_EMBRYO_EARLY_DROP);
        return;
    }
    early_input(tcp, e, seg);
    if (e->place == P_WAITING) {
        tcp_embryo_unplace(tcp, e);
        tcp_embryo_place(tcp, e, P_READY);
    }
}

static bool acceptable(const struct tcp *tcp, const struct tcp_embryo *e, const struct tcp_seg *seg)
{
    uint32_t len = (uint32_t)seg->text.len + (seg->flags & TCP_FIN ? 1 : 0), next = e->irs + 1;
    uint32_t window = first_window(tcp);

    if ((e->flags & E_TIMESTAMPS) && seg->has_timestamps && seq_before(seg->ts_val, e->ts_recent))
        return false;
    if (len == 0 || window == 0)
        return seg->seq - next <= window;
    return seq_before(next, seg->seq + len) && seq_before(seg->seq, next + window);
}

enum tcp_in tcp_embryo_input(struct tcp *tcp, struct tcp_embryo *e, const struct tcp_seg *seg)
{
    struct tcp_key key;
    uint32_t iss;

    if (seg->flags & TCP_RST) { /* RFC 5961 s3.2 */
        if (seg->seq == e->irs + 1) {
            tcp_count(tcp, TCP_COUNT_EMBRYO_RESET);
            if (e->place <= P_STAGE_LAST)
                tcp_count(tcp, TCP_COUNT_ATTEMPT_FAILS);
            tcp_embryo_free(tcp, e);
        } else {
            tcp_count(tcp, TCP_COUNT_RST_IGNORED);
            if (seq_within(seg->seq, e->irs + 1, first_window(tcp)))
                challenge(tcp, e);
        }
        return TCP_IN_DONE;
    }
    if (seg->flags & TCP_SYN) {
        if (seg->seq == e->irs && !(seg->flags & TCP_ACK) && e->place <= P_STAGE_LAST) {
            tcp_count(tcp, TCP_COUNT_SYN_DUPLICATES);
            e->flags |= E_RTX;
            /* RFC 7323 s4.3 (2): an echo of the first SYN's would tell the client that a round
             * trip takes as long as it waited to send again. */
            if ((e->flags & E_TIMESTAMPS) && seg->has_timestamps &&
                !seq_before(seg->ts_val, e->ts_recent))
                e->ts_recent = seg->ts_val;
            answer(tcp, e, TCP_SYN | TCP_ACK);
        } else {
            tcp_count(tcp, TCP_COUNT_SYN_CHALLENGE);
            challenge(tcp, e);
        }
        return TCP_IN_DONE;
    }
    if (!acceptable(tcp, e, seg)) {
        tcp_count(tcp, TCP_COUNT_UNACCEPTABLE);
        challenge(tcp, e);
        return TCP_IN_DONE;
    }
    if (!(seg->flags & TCP_ACK)) {
        tcp_count(tcp, TCP_COUNT_NO_ACK);
        return TCP_IN_DONE;
    }
    key = tcp_embryo_key(tcp, e);
    iss = tcp_isn(tcp, &key, e->born);
    if (seg->ack != iss + 1) {
        tcp_count(tcp, TCP_COUNT_EMBRYO_BAD_ACK);
        tcp_reset_at(tcp, seg);
        return TCP_IN_DONE;
    }
    established_input(tcp, e, seg);
    return TCP_IN_DONE;
}

static void stage_expired(struct tcp *tcp, struct tcp_embryo *e)
{
    unsigned next = e->place + 1u;

    if (next == TCP_SYN_ACKS_MAX) {
        tcp_count(tcp, TCP_COUNT_EMBRYO_TIMEOUT);
        tcp_count(tcp, TCP_COUNT_ATTEMPT_FAILS);
        tcp_embryo_free(tcp, e);
        return;
    }
    tcp_embryo_unplace(tcp, e);
    tcp_embryo_place(tcp, e, next);
    e->flags |= E_RTX;
    tcp_count(tcp, TCP_COUNT_SYN_RETRANS);
    answer(tcp, e, TCP_SYN | TCP_ACK);
}

static uint32_t wait_of(const struct tcp_door *door)
{
    return door->hold_ticks != 0 ? door->hold_ticks : door->wait_ticks;
}

static uint32_t door_timers(struct tcp *tcp, struct tcp_door *door, uint32_t budget)
{
    uint32_t done = 0;

    while (door->waiting.head != 0 && done < budget) {
        struct tcp_embryo *e = tcp_embryo_of(tcp, door->waiting.head - 1);

        if (tcp_age(tcp, e->since) < wait_of(door))
            break;
        done++;
        if (door->hold_ticks != 0) {
            tcp_count(tcp, TCP_COUNT_EMBRYO_HELD);
            tcp_embryo_free(tcp, e);
        } else {
            tcp_embryo_unplace(tcp, e);
            tcp_embryo_place(tcp, e, P_READY);
        }
    }
    return done;
}

uint32_t tcp_listen_timers(struct tcp *tcp, uint32_t budget)
{
    uint32_t done = 0;

    for (uint16_t at = tcp->busy_doors, next; at != 0 && done < budget; at = next) {
        next = tcp->doors[at - 1].next_busy; /* the door may fall idle and be given back */
        done += door_timers(tcp, &tcp->doors[at - 1], budget - done);
    }
    for (unsigned s = 0; s < TCP_SYN_ACKS_MAX; s++) {
        while (tcp->stage[s].head != 0 && done < budget) {
            struct tcp_embryo *e = tcp_embryo_of(tcp, tcp->stage[s].head - 1);

            if (age_us(tcp, e) < stage_end_us(s))
                break;
            stage_expired(tcp, e);
            done++;
        }
    }
    while (tcp->handed.head != 0 && done < budget) {
        struct tcp_embryo *e = tcp_embryo_of(tcp, tcp->handed.head - 1);

        if (tcp_age(tcp, e->since) < TCP_TICKS(TCP_HANDED_US))
            break;
        tcp_count(tcp, TCP_COUNT_EMBRYO_FORGOTTEN);
        tcp_embryo_reset(tcp, tcp->handed.head - 1);
        done++;
    }
    return done;
}

static uint64_t in_ticks(const struct tcp *tcp, uint32_t since, uint32_t wait)
{
    uint32_t age = tcp_age(tcp, since);

    return ((tcp->now.us >> TCP_TICK_SHIFT) + (age < wait ? wait - age : 0)) << TCP_TICK_SHIFT;
}

struct usec tcp_listen_due(const struct tcp *tcp)
{
    uint64_t first = UINT64_MAX;

    for (uint16_t at = tcp->busy_doors; at != 0; at = tcp->doors[at - 1].next_busy) {
        const struct tcp_door *door = &tcp->doors[at - 1];
        uint64_t due =
            in_ticks(tcp, tcp_embryo_of(tcp, door->waiting.head - 1)->since, wait_of(door));

        first = due < first ? due : first;
    }
    for (unsigned s = 0; s < TCP_SYN_ACKS_MAX; s++) {
        uint64_t age, due;

        if (tcp->stage[s].head == 0)
            continue;
        age = age_us(tcp, tcp_embryo_of(tcp, tcp->stage[s].head - 1));
        due = tcp->now.us + (age < stage_end_us(s) ? stage_end_us(s) - age : 0);
        first = due < first ? due : first;
    }
    if (tcp->handed.head != 0) {
        uint64_t due = in_ticks(tcp, tcp_embryo_of(tcp, tcp->handed.head - 1)->since,
                                TCP_TICKS(TCP_HANDED_US));

        first = due < first ? due : first;
    }
    return (struct usec){.us = first};
}
