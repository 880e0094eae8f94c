/* base_must.c - the end of a process that found a bug in itself. */
#include "base_must.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static size_t put(char *out, size_t room, size_t at, const char *text)
{
    while (*text != '\0' && at < room)
        out[at++] = *text++;
    return at;
}

void must_fail(const char *file, int line, const char *text)
{
    char out[512], digits[12];
    size_t n = 0, d = sizeof(digits) - 1;
    unsigned value = line > 0 ? (unsigned)line : 0;

    digits[d] = '\0';
    do {
        digits[--d] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    n = put(out, sizeof(out) - 1, n, file);
    n = put(out, sizeof(out) - 1, n, ":");
    n = put(out, sizeof(out) - 1, n, &digits[d]);
    n = put(out, sizeof(out) - 1, n, ": must: ");
    n = put(out, sizeof(out) - 1, n, text);
    out[n++] = '\n';
    /* Nothing can be done about a failing write on the way down. */
    if (write(STDERR_FILENO, out, n) < 0)
        abort();
    abort();
}
