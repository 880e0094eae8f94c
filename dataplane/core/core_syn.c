/* core_syn.c - a SYN's way through connection policy, before anything is spent on it. */
#include "core_policy.h"
#include "core_worker.h"

static void refuse_syn(struct worker *w, const struct tcp_seg *seg, enum core_counter why)
{
    count_one(&w->counters[why]);
    if (why != CORE_SYN_RULE_DROP && why != CORE_SYN_NO_POLICY)
        tcp_syn_reset(w->tcp, seg);
}

static void accept_syn(struct worker *w, const struct tcp_seg *seg, uint32_t server,
                       uint64_t wait_us, uint64_t hold_us)
{
    if (!tcp_syn_accept(w->tcp, seg, server, wait_us, hold_us, w->now))
        count_one(&w->counters[CORE_SYN_TABLE_FULL]);
}

void syn_in(struct worker *w, const struct tcp_seg *seg)
{
    const struct policy *policy = core_policy_now(w->core);
    uint32_t server, rule;

    if (policy == NULL) {
        refuse_syn(w, seg, CORE_SYN_NO_POLICY);
        return;
    }
    server = policy_listener(policy, &seg->key.local, seg->key.local_port);
    if (server == POLICY_NONE) {
        refuse_syn(w, seg, CORE_SYN_NO_LISTENER);
        return;
    }
    /* A sender that gets RST goes to another MX at once. */
    if (atomic_load_explicit(&w->core->draining, memory_order_relaxed)) {
        refuse_syn(w, seg, CORE_SYN_DRAINING);
        return;
    }
    switch (policy_connect(policy, server, &seg->key.remote, &rule)) {
    case CONNECT_DROP:
        refuse_syn(w, seg, CORE_SYN_RULE_DROP);
        break;
    case CONNECT_RESET:
        refuse_syn(w, seg, CORE_SYN_RULE_RESET);
        break;
    case CONNECT_TARPIT: /* held in the embryonic entry: no session, no buffer */
        count_one(&w->counters[CORE_TARPITTED]);
        accept_syn(w, seg, server, 0, TARPIT_HOLD_US);
        break;
    case CONNECT_REFUSE:
        accept_syn(w, seg, server, 0, 0);
        break;
    case CONNECT_ALLOW:
        accept_syn(w, seg, server, policy_server(policy, server).greeting_wait_us, 0);
        break;
    }
}
