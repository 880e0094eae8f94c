/* policy_find.h - the look-ups of the policy image, below the decisions.
 *
 * Only for an image that policy_open() accepted; then they stay inside it and end.
 */
#ifndef POLICY_FIND_H
#define POLICY_FIND_H

#include "policy_image.h"

/* The value that holds for an address in a prefix table, or IMAGE_NO_VALUE. */
uint32_t policy_find_prefix(const struct policy *p, uint32_t table, const struct ip_addr *ip);

/* The longest of our domains, or of the route domains, that holds for name; or NULL. */
const struct image_domain *policy_find_domain(const struct policy *p, bool ours, struct span name);

/* Whether the recipient is listed for the domain entry that holds for its domain. */
bool policy_find_recipient(const struct policy *p, const struct image_domain *entry,
                           struct span local_part, struct span domain);

/* Whether ip is one of this machine's own addresses. */
bool policy_find_own(const struct policy *p, const struct ip_addr *ip);

/* The rule that lets those relay who connected to `local`: false if there is none. */
bool policy_find_local(const struct policy *p, const struct image_server *server,
                       const struct ip_addr *local, uint32_t *ret_rule);

#endif
