/* policy.h - the policy image, read: who may connect, who may relay, who exists, where it goes.
 *
 * An image is one flat, sealed, position-independent block made by control (control/compile)
 * and read in place by the workers, the queue and `sluice explain` through these functions, so
 * there is one evaluator.  policy_open() checks every offset before anything is believed;
 * after that the look-ups need no checks, take no lock, call nothing and never fail.
 *
 * Order of decisions: requirements.md, "Order of precedence".
 */
#ifndef POLICY_H
#define POLICY_H

#include "base_types.h"

#define POLICY_NONE UINT32_MAX

struct policy { /* a view; fields are policy_check.c's */
    const uint8_t *base;
    size_t         bytes;
};

/* Verifies magic, ABI, checksum, every table.  0, or -EBADMSG and *ret_why a static text. */
int      policy_open(struct policy *ret, const void *image, size_t bytes, const char **ret_why);
uint64_t policy_generation(const struct policy *p);

/* Where a rule stood in the configuration. */
struct policy_source {
    struct span file;
    uint32_t    line, column;
};
struct policy_source policy_rule_source(const struct policy *p, uint32_t rule);

enum policy_connect { CONNECT_ALLOW, CONNECT_DROP, CONNECT_RESET, CONNECT_REFUSE, CONNECT_TARPIT };
enum policy_bare_newline { BARE_REFUSE, BARE_NORMALIZE, BARE_NOTE };
enum policy_early { EARLY_REFUSE, EARLY_NOTE };

struct policy_server { /* a virtual server, copied out */
    struct span name, hostname;
    uint64_t    greeting_wait_us;
    enum policy_early early;
};

struct policy_limits {
    uint64_t message_bytes;
    uint32_t recipients, connections_per_client;
    uint32_t bad_commands;         /* before 421 */
    uint32_t received_hops;        /* loop at this many Received: lines (100) */
    uint64_t session_us;           /* absolute deadline of a session */
    uint64_t command_us, data_us;  /* RFC 5321 s4.5.3.2: 5 min, 3 min */
};

/* The virtual server that listens there, or POLICY_NONE. */
uint32_t policy_listener(const struct policy *p, const struct ip_addr *local, uint16_t port);
uint32_t policy_servers(const struct policy *p);
struct policy_server policy_server(const struct policy *p, uint32_t server);
void policy_limits(const struct policy *p, struct policy_limits *ret);

/* Rule: POLICY_NONE where the default decided. trusted: skips limits. */
enum policy_connect policy_connect(const struct policy *p, uint32_t server,
                                   const struct ip_addr *client, uint32_t *ret_rule);
bool policy_trusted(const struct policy *p, uint32_t server, const struct ip_addr *client);
enum policy_bare_newline policy_bare_newline(const struct policy *p, const struct ip_addr *client);

enum policy_rcpt {
    RCPT_ACCEPT,       /* ours and it exists, or permitted to relay; route is set */
    RCPT_UNKNOWN,      /* 550 5.1.1 */
    RCPT_RELAY_DENIED, /* 550 5.7.1 */
    RCPT_REFUSED,      /* domain type refuse: 550 5.7.1 */
    RCPT_NO_ROUTE,     /* 550 5.4.4: may relay but no route */
    RCPT_STALE         /* 451 4.3.0: the recipient table is too old to say no */
};

struct policy_who {
    struct ip_addr client, local;
    uint16_t       local_port;
    bool           authenticated;
};

/* local_part as parsed (quotes removed), domain lower-cased A-label form or an address
 * literal "[…]"; postmaster without domain: domain empty. */
struct policy_answer {
    enum policy_rcpt verdict;
    uint32_t route; /* POLICY_NONE unless accepted */
    uint32_t rule;  /* the rule or domain entry that decided, for policy_rule_source */
};
struct policy_answer policy_rcpt(const struct policy *p, uint32_t server,
                                 const struct policy_who *who, struct span local_part,
                                 struct span domain);

/* The route for a stored recipient domain now (queue): ours first, then routes[].domains. */
uint32_t policy_route_of(const struct policy *p, struct span domain);
/* The same for a whole stored recipient, which an internal-relay domain needs: listed
 * recipients go by its route, the rest by its `rest`. */
uint32_t policy_route_for(const struct policy *p, struct span local_part, struct span domain);
struct policy_route {
    struct span name;
    uint32_t    targets;
};
struct policy_route policy_route(const struct policy *p, uint32_t route);
struct span policy_route_target(const struct policy *p, uint32_t route, uint32_t target,
                                uint32_t *ret_weight);
uint32_t policy_route_by_name(const struct policy *p, struct span name);

#endif
