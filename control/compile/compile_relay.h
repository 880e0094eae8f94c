/* compile_relay.h - is this an open relay?  Judged on what was compiled (requirements.md D1).
 *
 * What is summed: every address of public space that some virtual server lets relay without
 * authentication, each address once, after deny rules; a rule by local address and default:
 * allow let everyone in whom nothing denies.  What a rule with i_accept_open_relay grants is
 * not counted, for that rule or for others.
 */
#ifndef COMPILE_RELAY_H
#define COMPILE_RELAY_H

#include "compile_build.h"

struct relay_judge {
    struct ranges reserved; /* value 0: not public space */
    struct array grants[2]; /* v4, v6 */
    struct array origins;   /* the rules they come from */
};

void relay_judge_init(struct relay_judge *judge);
void relay_judge_done(struct relay_judge *judge);

/* One virtual server: its relay table as cut (values: RELAY_ALLOW or RELAY_DENY and a rule
 * numbered from first_rule in the order of relay.rules), and its deny list as cut. */
void relay_judge_server(struct relay_judge *judge, struct build *b,
                        const struct conf_server *server, const struct ranges *table,
                        const struct ranges *deny, uint32_t first_rule);

/* Adds to the build's errors the worst rule if all together is too much. */
void relay_judge_all(struct relay_judge *judge, struct build *b);

#endif
