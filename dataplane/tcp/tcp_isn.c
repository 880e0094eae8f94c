/* tcp_isn.c - initial sequence numbers (RFC 6528), timestamp offsets and valves.
 *
 * ISN = M + F(tuple, secret): M counts 4 us, F is SipHash-2-4 under a key that exists nowhere
 * else.  So numbers of one tuple only rise (RFC 9293 s3.4.1) and those of another tell nothing.
 * The timestamp clock gets an offset the same way (RFC 7323 s7.1), so that it shows neither
 * uptime nor which clients share an address.
 */
#include "tcp_core.h"

void tcp_isn_init(struct tcp *tcp)
{
    const uint8_t *secret = tcp->config.secret;
    uint8_t *keys[] = {tcp->isn_key, tcp->ts_key, tcp->valve_key};
    uint8_t label[HASH_KEY_BYTES + 1], table_key[HASH_KEY_BYTES];

    memcpy(label, secret + HASH_KEY_BYTES, HASH_KEY_BYTES);
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        label[HASH_KEY_BYTES] = (uint8_t)i;
        hash_sip128(secret, span_of(label, sizeof(label)), keys[i]);
    }
    label[HASH_KEY_BYTES] = (uint8_t)ARRAY_LEN(keys);
    hash_sip128(secret, span_of(label, sizeof(label)), table_key);
    hash_quick_init(&tcp->hash, table_key);
}

uint32_t tcp_isn(const struct tcp *tcp, const struct tcp_key *key, uint32_t born)
{
    return born + (uint32_t)hash_sip(tcp->isn_key, span_of(key, sizeof(*key)));
}

uint32_t tcp_ts_offset(const struct tcp *tcp, const struct tcp_key *key)
{
    return (uint32_t)hash_sip(tcp->ts_key, span_of(key, sizeof(*key)));
}

bool tcp_valve_take(struct tcp *tcp, struct tcp_valve *valve, uint32_t per_second)
{
    uint64_t second = tcp->now.us / 1000000 + 1;

    if (valve->second != second) {
        uint64_t draw = tcp->valve_draws++;

        valve->second = second;
        draw = hash_sip(tcp->valve_key, span_of(&draw, sizeof(draw)));
        valve->left = per_second / 2 + (uint32_t)(draw % per_second);
    }
    if (valve->left == 0)
        return false;
    valve->left--;
    return true;
}
