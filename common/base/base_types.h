/* base_types.h - the few types every room shares: bytes, time, addresses, handles.
 *
 * Guarantee: values only, no ownership, no I/O.  Byte order is the host's everywhere
 * except inside struct ip_addr, which is the sixteen octets as they stand on the wire.
 */
#ifndef BASE_TYPES_H
#define BASE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Borrowed bytes.  ptr may be NULL only when len is 0. */
struct span {
    const uint8_t *ptr;
    size_t         len;
};

static inline struct span span_of(const void *ptr, size_t len)
{
    return (struct span){.ptr = (const uint8_t *)ptr, .len = len};
}

static inline struct span span_str(const char *text)
{
    return span_of(text, strlen(text));
}

/* The rest of s after its first n bytes; n must not exceed s.len. */
static inline struct span span_skip(struct span s, size_t n)
{
    return (struct span){.ptr = s.ptr + n, .len = s.len - n};
}

static inline bool span_equal(struct span a, struct span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* A point or a distance in time, in microseconds.  Points are on a clock that never
 * goes back and that only the outermost loop reads. */
struct usec {
    uint64_t us;
};

static inline struct usec usec_add(struct usec t, uint64_t us)
{
    return (struct usec){.us = t.us + us};
}

/* b - a, or 0 where b is before a. */
static inline uint64_t usec_since(struct usec a, struct usec b)
{
    return b.us > a.us ? b.us - a.us : 0;
}

static inline bool usec_reached(struct usec due, struct usec now)
{
    return now.us >= due.us;
}

/* An IPv6 address, or an IPv4 one in its mapped form ::ffff:a.b.c.d (RFC 4291 s2.5.5.2). */
struct ip_addr {
    uint8_t octets[16];
};

static inline bool ip_is_v4(const struct ip_addr *a)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

    return memcmp(a->octets, mapped, sizeof(mapped)) == 0;
}

static inline bool ip_equal(const struct ip_addr *a, const struct ip_addr *b)
{
    return memcmp(a->octets, b->octets, sizeof(a->octets)) == 0;
}

/* v4 in host order. */
static inline struct ip_addr ip_from_v4(uint32_t v4)
{
    struct ip_addr a = {.octets = {[10] = 0xff, [11] = 0xff}};

    a.octets[12] = (uint8_t)(v4 >> 24);
    a.octets[13] = (uint8_t)(v4 >> 16);
    a.octets[14] = (uint8_t)(v4 >> 8);
    a.octets[15] = (uint8_t)v4;
    return a;
}

/* Host order; only for an address that is_v4. */
static inline uint32_t ip_to_v4(const struct ip_addr *a)
{
    return (uint32_t)a->octets[12] << 24 | (uint32_t)a->octets[13] << 16 |
           (uint32_t)a->octets[14] << 8 | (uint32_t)a->octets[15];
}

/* A session anywhere in the edge: which worker, which slot of its tables, which use of
 * that slot.  A reply whose generation is not the slot's is stale and is dropped. */
struct handle {
    uint64_t bits; /* worker 8 | slot 24 | generation 32 */
};

static inline struct handle handle_make(uint32_t worker, uint32_t slot, uint32_t generation)
{
    return (struct handle){.bits = (uint64_t)(worker & 0xff) << 56 |
                                   (uint64_t)(slot & 0xffffff) << 32 | generation};
}

static inline uint32_t handle_worker(struct handle h)
{
    return (uint32_t)(h.bits >> 56);
}

static inline uint32_t handle_slot(struct handle h)
{
    return (uint32_t)(h.bits >> 32) & 0xffffff;
}

static inline uint32_t handle_generation(struct handle h)
{
    return (uint32_t)h.bits;
}

#define CACHE_LINE_BYTES 64
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#endif
