/* conf_address.c - addresses as the configuration writes them: base_text.h, and masks. */
#include <errno.h>

#include "base_text.h"
#include "conf.h"

int conf_parse_ip(const char *text, struct ip_addr *ret)
{
    return text_parse_ip(span_str(text), ret);
}

/* 255.255.255.0 is 24; a mask with holes is none. */
static int mask_bits(struct span text, uint8_t *ret)
{
    struct ip_addr ip;

    if (text_parse_ip(text, &ip) != 0 || !ip_is_v4(&ip))
        return -EINVAL;

    uint32_t mask = ip_to_v4(&ip);
    unsigned bits = mask == UINT32_MAX ? 32 : (unsigned)__builtin_clz(~mask);

    if (bits < 32 && mask << bits != 0)
        return -EINVAL;
    *ret = (uint8_t)bits;
    return 0;
}

int conf_parse_prefix(const char *text, struct ip_addr *ret_ip, uint8_t *ret_bits)
{
    const char *slash = strchr(text, '/');
    struct ip_addr ip;
    uint8_t bits;

    if (slash == NULL || strchr(slash, '.') == NULL)
        return text_parse_prefix(span_str(text), ret_ip, ret_bits);
    if (text_parse_ip(span_of(text, (size_t)(slash - text)), &ip) != 0 || !ip_is_v4(&ip) ||
        mask_bits(span_str(slash + 1), &bits) != 0)
        return -EINVAL;
    *ret_ip = ip;
    *ret_bits = bits;
    return 0;
}

int conf_parse_listen(const char *text, struct ip_addr *ret_ip, uint16_t *ret_port)
{
    return text_parse_endpoint(span_str(text), ret_ip, ret_port);
}

_Static_assert(CONF_IP_TEXT_BYTES >= TEXT_IP_MAX, "room for any address");

const char *conf_ip_text(const struct ip_addr *ip, char text[CONF_IP_TEXT_BYTES])
{
    text_ip(text, ip);
    return text;
}
