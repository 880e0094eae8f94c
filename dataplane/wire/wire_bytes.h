/* wire_bytes.h - big-endian integers at any alignment, and what every parser answers.
 *
 * The only place of the tree where network order is read or written by hand.
 * The pointers are checked by the caller; nothing here looks at a length.
 */
#ifndef WIRE_BYTES_H
#define WIRE_BYTES_H

#include "base_types.h"

/* A parser's verdict.  On anything but WIRE_OK its output is not to be used. */
enum wire_check {
    WIRE_OK,
    WIRE_SHORT,    /* the bytes end before what the header says they hold */
    WIRE_VERSION,  /* IP version is not the one asked for */
    WIRE_HEADER,   /* a length or field of the header is impossible */
    WIRE_SUM,      /* checksum wrong */
    WIRE_OPTIONS,  /* an option list that cannot be walked, or an option that says "discard" */
    WIRE_ROUTE,    /* source route or routing header */
    WIRE_TOO_MANY, /* more extension headers than we walk */
    WIRE_UNKNOWN   /* a protocol, hardware or header that is not ours to know */
};

static inline uint16_t wire_get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t wire_get32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | (uint32_t)p[3];
}

static inline void wire_put16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static inline void wire_put32(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
}

/* Unsigned modulo-free room test: are there n bytes left after offset in s? */
static inline bool wire_has(struct span s, size_t offset, size_t n)
{
    return offset <= s.len && n <= s.len - offset;
}

#endif
