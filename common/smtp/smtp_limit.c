/* smtp_limit.c - junk commands, idle commands, deadlines, bare newlines: what a session may
 * cost us. */
#include "smtp_session.h"

void smtp_junk(struct smtp *s, struct smtp_turn *turn, enum smtp_reply id)
{
    count_one(&turn->counters[SMTP_COUNT_BAD_COMMANDS]);
    smtp_reply(s, turn, id);
    s->bad_commands++;
    if (!s->peer.trusted && s->limits.bad_commands > 0 && s->bad_commands >= s->limits.bad_commands)
        smtp_close(s, turn, REPLY_JUNK_LIMIT, SMTP_END_LIMIT);
}

bool smtp_idle(struct smtp *s, struct smtp_turn *turn)
{
    s->idle_commands++;
    if (s->peer.trusted || s->idle_commands <= SMTP_IDLE_COMMANDS_MAX)
        return true;
    smtp_close(s, turn, REPLY_IDLE_LIMIT, SMTP_END_LIMIT);
    return false;
}

void smtp_follow_policy(struct smtp *s, const struct smtp_turn *turn)
{
    uint64_t generation = policy_generation(turn->policy);

    if (generation == s->generation)
        return;
    s->generation = generation;
    policy_limits(turn->policy, &s->limits);
    s->bare = (uint8_t)policy_bare_newline(turn->policy, &s->peer.client);
    /* Numbers of virtual servers are the image's own: find ours again by where it listens. */
    s->peer.server = policy_listener(turn->policy, &s->peer.local, s->peer.local_port);
    s->server_gone = s->peer.server == POLICY_NONE;
}

void smtp_due_in(struct smtp *s, const struct smtp_turn *turn, uint64_t us)
{
    s->due = usec_add(turn->now, us);
}

bool smtp_bare_refused(struct smtp *s, struct smtp_turn *turn)
{
    _Static_assert(SMTP_COUNT_BARE_NORMALIZED - SMTP_COUNT_BARE_REFUSED == BARE_NORMALIZE &&
                       SMTP_COUNT_BARE_NOTED - SMTP_COUNT_BARE_REFUSED == BARE_NOTE,
                   "counters in the order of enum policy_bare_newline");

    count_one(&turn->counters[SMTP_COUNT_BARE_REFUSED + s->bare]);
    if (s->bare == BARE_NOTE)
        s->bare_noted = true;
    return s->bare == BARE_REFUSE;
}
