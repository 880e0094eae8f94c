/* policy_image.h - the policy image as it lies in memory: what control/compile writes and
 * what policy_check.c verifies before policy_find.c and policy_decide.c read it in place.
 *
 * One block, little endian as the machine is, offsets and indices only:
 *
 *   header | strings | rules | listeners | addresses | servers | locals | tables |
 *   v4 keys | v4 values | v6 keys | v6 values | domain index | domains |
 *   route domain index | route domains | recipient index | recipients | routes | targets
 *
 * Each section starts on a cache line and is an array of equal elements.
 *
 * A prefix table is the address space cut into disjoint ranges, each with one value; a range
 * is kept as its last address.  The lasts of one table are in Eytzinger order (element 1 is
 * the root, 2k and 2k+1 the children of k), so that a look-up is a walk of log2(n) steps with
 * no branch to predict.  Element 0 is unused.  Longest prefix and "deny first at equal
 * length" were settled when the ranges were cut.
 *
 * Domains and recipients lie in buckets: index[b] .. index[b+1] are the elements whose hash
 * falls into bucket b.  A bucket holds at most IMAGE_BUCKET_MAX, so every look-up ends.
 * Recipients are 128-bit fingerprints under a key made anew for each image: the addresses
 * themselves are not in the image, and nobody can choose two that collide.
 */
#ifndef POLICY_IMAGE_H
#define POLICY_IMAGE_H

#include "policy.h"

#define IMAGE_MAGIC 0x0079636c6f705553ull /* "SUpolcy" */
#define IMAGE_ABI 1u
#define IMAGE_ALIGN 64u
#define IMAGE_KEY_BYTES 16

#define IMAGE_ELEMENTS_MAX (1u << 30) /* of any section: 2k+1 stays within 32 bits */
#define IMAGE_BUCKET_MAX 64u
#define IMAGE_LABELS_MAX 128u         /* a domain of 255 octets has fewer */
#define IMAGE_LOCAL_PART_MAX 64u      /* RFC 5321 s4.5.3.1.1 */
#define IMAGE_DOMAIN_MAX 255u         /* RFC 5321 s4.5.3.1.2 */

/* A value of a prefix table: what to do and the rule that says so. */
#define IMAGE_ACTION_SHIFT 28
#define IMAGE_RULE_MASK ((1u << IMAGE_ACTION_SHIFT) - 1u)
#define IMAGE_NO_VALUE UINT32_MAX /* no rule holds here: the default decides */

static inline uint32_t image_value(uint32_t action, uint32_t rule)
{
    return action << IMAGE_ACTION_SHIFT | rule;
}

struct image_string {
    uint32_t offset, bytes; /* in the strings section */
};

struct image_rule {
    struct image_string file;
    uint32_t            line, column;
};

struct image_listener { /* sorted by address, then port; no two alike */
    struct ip_addr ip;
    uint32_t       port, server;
};

struct image_local { /* sorted by address within a server; no two alike */
    struct ip_addr ip;
    uint32_t       rule;
};

enum image_table_kind { TABLE_CONNECT, TABLE_MARK, TABLE_RELAY, TABLE_BARE, TABLE_KINDS };

struct image_table {
    uint32_t kind;               /* says which actions its values may hold */
    uint32_t v4_first, v4_count; /* elements, the unused element 0 included; 0: no rule at all */
    uint32_t v6_first, v6_count;
};

struct image_v6 {
    uint64_t high, low;
};

enum { RELAY_DENY, RELAY_ALLOW }; /* actions of TABLE_RELAY */

struct image_server {
    struct image_string name, hostname;
    uint64_t greeting_wait_us;
    uint32_t early;
    uint32_t connect_default, connect_table;
    uint32_t trusted_table;
    uint32_t relay_deny_table, relay_table;
    uint32_t relay_default;       /* RELAY_DENY or RELAY_ALLOW */
    uint32_t relay_authenticated; /* 0 or 1 */
    uint32_t locals_first, locals_count;
};

enum image_domain_type {
    DOMAIN_AUTHORITATIVE, DOMAIN_INTERNAL_RELAY, DOMAIN_EXTERNAL_RELAY, DOMAIN_REFUSE,
    DOMAIN_ROUTE, /* of the route domains only: where relayed mail goes */
    DOMAIN_TYPES
};

#define DOMAIN_ITSELF 1u /* the name itself matches */
#define DOMAIN_BELOW 2u  /* names below it match */

struct image_domain {
    struct image_string name;
    uint32_t type, flags;
    uint32_t route; /* POLICY_NONE for DOMAIN_REFUSE */
    uint32_t rest;  /* internal relay: route of the unlisted, else POLICY_NONE */
    uint32_t rule;
};

struct image_print { /* fingerprint of a recipient, policy_hash.h */
    uint64_t a, b;
};

struct image_route {
    struct image_string name;
    uint32_t targets_first, targets_count;
};

struct image_target {
    struct image_string url;
    uint32_t weight;
};

enum image_section {
    SECTION_STRINGS, SECTION_RULES, SECTION_LISTENERS, SECTION_ADDRESSES, SECTION_SERVERS,
    SECTION_LOCALS, SECTION_TABLES, SECTION_V4_KEYS, SECTION_V4_VALUES, SECTION_V6_KEYS,
    SECTION_V6_VALUES, SECTION_DOMAIN_INDEX, SECTION_DOMAINS, SECTION_ROUTE_DOMAIN_INDEX,
    SECTION_ROUTE_DOMAINS, SECTION_RECIPIENT_INDEX, SECTION_RECIPIENTS, SECTION_ROUTES,
    SECTION_TARGETS, SECTIONS
};

/* Bytes of one element, by section. */
extern const uint32_t image_element_bytes[SECTIONS];

struct image_extent {
    uint64_t offset; /* from the image's start, a multiple of IMAGE_ALIGN */
    uint64_t count;  /* elements */
};

struct image_header {
    uint64_t magic;
    uint32_t abi, header_bytes;
    uint64_t total_bytes;
    uint64_t checksum; /* image_checksum() of all that follows it */
    uint64_t generation;
    uint8_t  key[IMAGE_KEY_BYTES]; /* of fingerprints and domain hashes */
    struct image_extent section[SECTIONS];
    uint32_t domain_labels, route_domain_labels; /* most labels of any name there */
    uint32_t default_route;    /* of relayed mail, or POLICY_NONE */
    uint32_t postmaster_route; /* of <postmaster> and postmaster@[our address] */
    uint32_t postmaster_rule;  /* the domain it was taken from, or POLICY_NONE */
    uint32_t bare_default, bare_table;
    uint32_t recipients, connections_per_client, bad_commands, received_hops;
    uint32_t unused;
    uint64_t message_bytes, session_us, command_us, data_us;
};

/* The layout is an ABI between processes of different builds. */
_Static_assert(sizeof(struct image_rule) == 16, "image ABI");
_Static_assert(sizeof(struct image_listener) == 24, "image ABI");
_Static_assert(sizeof(struct image_local) == 20, "image ABI");
_Static_assert(sizeof(struct image_table) == 20, "image ABI");
_Static_assert(sizeof(struct image_server) == 64, "image ABI");
_Static_assert(sizeof(struct image_domain) == 28, "image ABI");
_Static_assert(sizeof(struct image_print) == 16, "image ABI");
_Static_assert(sizeof(struct image_route) == 16, "image ABI");
_Static_assert(sizeof(struct image_target) == 12, "image ABI");
_Static_assert(sizeof(struct image_header) == 56 + 16 * SECTIONS + 80, "image ABI");

/* CRC32C over everything after the header's checksum field. */
uint64_t image_checksum(const void *image, size_t bytes);

static inline const struct image_header *image_header(const struct policy *p)
{
    return (const struct image_header *)(const void *)p->base;
}

static inline const void *image_at(const struct policy *p, enum image_section section)
{
    return p->base + image_header(p)->section[section].offset;
}

static inline uint32_t image_count(const struct policy *p, enum image_section section)
{
    return (uint32_t)image_header(p)->section[section].count;
}

static inline struct span image_text(const struct policy *p, struct image_string s)
{
    return span_of((const uint8_t *)image_at(p, SECTION_STRINGS) + s.offset, s.bytes);
}

#endif
