/* ipc_envelope.c - the envelope's bytes, written and read. */
#include "ipc_envelope.h"

#include <errno.h>

#define ITEM_HEAD_BYTES 4u
#define FLAGS_KNOWN     (ENVELOPE_8BIT | ENVELOPE_UTF8 | ENVELOPE_ESMTP)

static uint8_t *put_le(uint8_t *at, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        *at++ = (uint8_t)(value >> 8 * i);
    return at;
}

static uint64_t get_le(const uint8_t **at, unsigned bytes)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < bytes; i++)
        value |= (uint64_t) * (*at)++ << 8 * i;
    return value;
}

/* version flags message session arrived client local ports recipients */
_Static_assert(4 + 4 + 8 + 8 + 8 + 16 + 16 + 2 + 2 + 4 == ENVELOPE_HEADER_BYTES, "packed by hand");

void envelope_put_header(uint8_t *out, const struct envelope_header *h)
{
    out = put_le(out, h->version, 4);
    out = put_le(out, h->flags, 4);
    out = put_le(out, h->message, 8);
    out = put_le(out, h->session, 8);
    out = put_le(out, h->arrived_us, 8);
    memcpy(out, h->client.octets, 16);
    memcpy(out + 16, h->local.octets, 16);
    out = put_le(out + 32, h->client_port, 2);
    out = put_le(out, h->local_port, 2);
    put_le(out, h->recipients, 4);
}

static void get_header(const uint8_t *at, struct envelope_header *h)
{
    h->version = (uint32_t)get_le(&at, 4);
    h->flags = (uint32_t)get_le(&at, 4);
    h->message = get_le(&at, 8);
    h->session = get_le(&at, 8);
    h->arrived_us = get_le(&at, 8);
    memcpy(h->client.octets, at, 16);
    memcpy(h->local.octets, at + 16, 16);
    at += 32;
    h->client_port = (uint16_t)get_le(&at, 2);
    h->local_port = (uint16_t)get_le(&at, 2);
    h->recipients = (uint32_t)get_le(&at, 4);
}

size_t envelope_put_item(uint8_t *out, size_t room, enum envelope_item type, struct span text)
{
    if (text.len > UINT16_MAX || room < ITEM_HEAD_BYTES || room - ITEM_HEAD_BYTES < text.len)
        return 0;
    out[0] = (uint8_t)type;
    out[1] = 0;
    put_le(out + 2, text.len, 2);
    if (text.len > 0)
        memcpy(out + ITEM_HEAD_BYTES, text.ptr, text.len);
    return ITEM_HEAD_BYTES + text.len;
}

/* One item off the front; false where the bytes do not hold a whole one. */
static bool take_item(struct span *bytes, uint8_t *ret_type, struct span *ret_text)
{
    size_t len;

    if (bytes->len < ITEM_HEAD_BYTES || bytes->ptr[1] != 0)
        return false;
    len = (size_t)bytes->ptr[2] | (size_t)bytes->ptr[3] << 8;
    if (bytes->len - ITEM_HEAD_BYTES < len)
        return false;
    *ret_type = bytes->ptr[0];
    *ret_text = span_of(bytes->ptr + ITEM_HEAD_BYTES, len);
    *bytes = span_skip(*bytes, ITEM_HEAD_BYTES + len);
    return true;
}

/* What is written into files, logs and headers later: no control characters at all. */
static bool is_clean(struct span text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < 0x20 || text.ptr[i] == 0x7f)
            return false;
    }
    return true;
}

static int bad(const char *why, const char **ret_why)
{
    *ret_why = why;
    return -EBADMSG;
}

static int parse_recipients(struct span items, uint32_t want, const char **ret_why)
{
    uint32_t count = 0;

    while (items.len > 0) {
        uint8_t type;
        struct span address;

        if (!take_item(&items, &type, &address))
            return bad("cut recipient", ret_why);
        if (type != ENVELOPE_RECIPIENT)
            return bad("item out of order", ret_why);
        if (address.len == 0 || address.len > ENVELOPE_PATH_MAX || !is_clean(address))
            return bad("impossible recipient", ret_why);
        count++;
    }
    if (count == 0 || count != want)
        return bad("wrong number of recipients", ret_why);
    return 0;
}

int envelope_parse(struct span bytes, struct envelope *ret, const char **ret_why)
{
    struct envelope env = {.header.version = 0};
    const struct {
        uint8_t type;
        size_t max;
        struct span *text;
    } order[] = {
        {ENVELOPE_HELO,     ENVELOPE_PATH_MAX, &env.helo    },
        {ENVELOPE_SERVER,   ENVELOPE_PATH_MAX, &env.server  },
        {ENVELOPE_HOSTNAME, ENVELOPE_PATH_MAX, &env.hostname},
        {ENVELOPE_SENDER,   ENVELOPE_PATH_MAX, &env.sender  },
    };
    int rc;

    if (bytes.len < ENVELOPE_HEADER_BYTES || bytes.len > ENVELOPE_BYTES_MAX)
        return bad("impossible length", ret_why);
    get_header(bytes.ptr, &env.header);
    if (env.header.version != ENVELOPE_VERSION)
        return bad("unknown version", ret_why);
    if ((env.header.flags & ~(uint32_t)FLAGS_KNOWN) != 0)
        return bad("unknown flags", ret_why);
    bytes = span_skip(bytes, ENVELOPE_HEADER_BYTES);
    for (size_t i = 0; i < ARRAY_LEN(order); i++) {
        uint8_t type;

        if (!take_item(&bytes, &type, order[i].text))
            return bad("cut item", ret_why);
        if (type != order[i].type)
            return bad("item out of order", ret_why);
        if (order[i].text->len > order[i].max || !is_clean(*order[i].text))
            return bad("impossible item", ret_why);
    }
    env.recipients = bytes;
    rc = parse_recipients(bytes, env.header.recipients, ret_why);
    if (rc == 0)
        *ret = env;
    return rc;
}

bool envelope_next_recipient(struct span *items, struct span *ret_address)
{
    uint8_t type;

    return take_item(items, &type, ret_address) && type == ENVELOPE_RECIPIENT;
}
