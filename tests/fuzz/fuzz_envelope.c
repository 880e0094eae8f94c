/* fuzz_envelope.c - envelopes: what is taken can be written again to the same bytes, so the
 * reader takes nothing that the writer cannot make. */
#include <stdlib.h>

#include "base_must.h"
#include "ipc_envelope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t item(uint8_t *out, size_t at, size_t room, enum envelope_item type, struct span text)
{
    size_t n = envelope_put_item(out + at, room - at, type, text);

    must(n > 0);
    return at + n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct envelope env;
    struct span items, address;
    const char *why = NULL;
    uint32_t recipients = 0;
    uint8_t *again;
    size_t n;

    if (envelope_parse(span_of(data, size), &env, &why) != 0) {
        must(why != NULL);
        return 0;
    }
    again = malloc(size);
    if (again == NULL)
        return 0;
    envelope_put_header(again, &env.header);
    n = item(again, ENVELOPE_HEADER_BYTES, size, ENVELOPE_HELO, env.helo);
    n = item(again, n, size, ENVELOPE_SERVER, env.server);
    n = item(again, n, size, ENVELOPE_HOSTNAME, env.hostname);
    n = item(again, n, size, ENVELOPE_SENDER, env.sender);
    items = env.recipients;
    while (envelope_next_recipient(&items, &address)) {
        must(address.len <= ENVELOPE_PATH_MAX);
        n = item(again, n, size, ENVELOPE_RECIPIENT, address);
        recipients++;
    }
    must(recipients == env.header.recipients && n == size && memcmp(again, data, size) == 0);
    free(again);
    return 0;
}
