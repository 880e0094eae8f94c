/* conf_address.c - addresses as people write them. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>

#include "conf.h"
#include "conf_value.h"

int conf_parse_ip(const char *text, struct ip_addr *ret)
{
    struct ip_addr ip;
    struct in_addr v4;

    if (inet_pton(AF_INET, text, &v4) == 1) {
        *ret = ip_from_v4(ntohl(v4.s_addr));
        return 0;
    }
    /* The mapped form is how we keep IPv4; written out, it would match what nobody meant. */
    if (inet_pton(AF_INET6, text, ip.octets) != 1 || ip_is_v4(&ip))
        return -EINVAL;
    *ret = ip;
    return 0;
}

/* 255.255.255.0 is 24; a mask with holes is none. */
static int mask_bits(const char *text, uint8_t *ret)
{
    struct in_addr v4;

    if (inet_pton(AF_INET, text, &v4) != 1)
        return -EINVAL;

    uint32_t mask = ntohl(v4.s_addr);
    unsigned bits = mask == UINT32_MAX ? 32 : (unsigned)__builtin_clz(~mask);

    if (bits < 32 && mask << bits != 0)
        return -EINVAL;
    *ret = (uint8_t)bits;
    return 0;
}

int conf_parse_prefix(const char *text, struct ip_addr *ret_ip, uint8_t *ret_bits)
{
    char left[CONF_IP_TEXT_BYTES];
    const char *slash = strchr(text, '/');
    size_t len = slash != NULL ? (size_t)(slash - text) : strlen(text);
    struct ip_addr ip;
    uint64_t n;
    uint8_t bits;

    if (len >= sizeof(left))
        return -EINVAL;
    memcpy(left, text, len);
    left[len] = '\0';
    if (conf_parse_ip(left, &ip) != 0)
        return -EINVAL;

    uint8_t full = ip_is_v4(&ip) ? 32 : 128;

    if (slash == NULL)
        bits = full;
    else if (full == 32 && strchr(slash + 1, '.') != NULL) {
        if (mask_bits(slash + 1, &bits) != 0)
            return -EINVAL;
    } else {
        if (conf_value_uint(slash + 1, &n) != 0 || n > full)
            return -EINVAL;
        bits = (uint8_t)n;
    }
    *ret_ip = ip;
    *ret_bits = bits;
    return 0;
}

int conf_parse_listen(const char *text, struct ip_addr *ret_ip, uint16_t *ret_port)
{
    char left[CONF_IP_TEXT_BYTES];
    const char *colon = strrchr(text, ':');
    struct ip_addr ip;
    uint64_t port;

    if (colon == NULL)
        return -EINVAL;

    bool bracket = text[0] == '[';
    const char *from = text + bracket, *to = colon;

    if (bracket) {
        if (to == from || to[-1] != ']')
            return -EINVAL;
        to--;
    }
    if (to <= from || (size_t)(to - from) >= sizeof(left))
        return -EINVAL;
    memcpy(left, from, (size_t)(to - from));
    left[to - from] = '\0';
    if (conf_parse_ip(left, &ip) != 0 || ip_is_v4(&ip) == bracket)
        return -EINVAL;
    if (conf_value_uint(colon + 1, &port) != 0 || port == 0 || port > UINT16_MAX)
        return -EINVAL;
    *ret_ip = ip;
    *ret_port = (uint16_t)port;
    return 0;
}

const char *conf_ip_text(const struct ip_addr *ip, char text[CONF_IP_TEXT_BYTES])
{
    bool v4 = ip_is_v4(ip);

    if (inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? ip->octets + 12 : ip->octets, text,
                  CONF_IP_TEXT_BYTES) == NULL)
        text[0] = '\0';
    return text;
}
