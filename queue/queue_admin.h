/* queue_admin.h - orders from control about what is queued (requirement G4).
 *
 * Order: {"order": "count"|"list"|"show"|"flush"|"hold"|"release"|"delete"|"settings",
 *   "filter": {"id","sender","recipient","domain","state"}, "after": "ID", "limit": n}
 * Filter: addresses and domains without regard to case, "<>" as sender means the null one; state
 *   is "queued", "deferred", "active" (an attempt is under way) or "held".  All parts must hold;
 *   recipient, domain and state for one and the same recipient.  flush, hold, release and delete
 *   act on those recipients.
 * Answer: {"ok":true, …}: count {"count":n}; list {"messages":[M…],"more":"ID"|null}; show
 *   {"message":M} with a "route" for each recipient; flush {"flushed":n}, hold {"held":n},
 *   release {"released":n}, delete {"deleted":n}: messages acted on; settings {}.
 *   Or {"ok":false,"error":"…"}.
 *   M: {"id","session","arrived","expires","sender","bytes","recipients":[{"address","state",
 *   "attempts","next","reason","status","code"}],"recipients_total":n}; times are microseconds
 *   since 1970, next is null unless it waits for a time.  list shows the first
 *   ADMIN_RECIPIENTS_SHOWN recipients.
 *
 * Orders are worked in slices, one after the other, so that mail goes on meanwhile.
 */
#ifndef QUEUE_ADMIN_H
#define QUEUE_ADMIN_H

#include "queue.h"

#define ADMIN_RECIPIENTS_SHOWN 20u

struct admin;
struct admin *admin_new(void);
struct admin *admin_free(struct admin *admin);

/* Takes an order in; -EBUSY when ADMIN_WAITING_MAX wait already. */
int admin_order(struct admin *admin, uint32_t token, const char *text);
bool admin_busy(const struct admin *admin);
/* Works a slice; true when an order is answered: *ret_text (free() it) for *ret_token. */
bool admin_turn(struct queue *q, struct admin *admin, uint32_t *ret_token, char **ret_text);
/* Control is gone: what it asked for is no longer answered, but finished work stays done. */
void admin_forget(struct admin *admin);

#endif
