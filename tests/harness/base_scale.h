/* base_scale.h - how much a long test does: SLUICE_TEST_SCALE=0.1 asks for a tenth of the rounds,
 * as tools/check.sh --quick does of the build with sanitizers.
 */
#ifndef BASE_SCALE_H
#define BASE_SCALE_H

#include <stdint.h>
#include <stdlib.h>

/* n rounds, or as many of them as are asked for; at least 1. */
static inline uint32_t scaled(uint32_t n)
{
    const char *text = getenv("SLUICE_TEST_SCALE");
    double scale = text != NULL ? strtod(text, NULL) : 1;

    if (!(scale > 0 && scale < 1))
        return n;
    return (double)n * scale >= 1 ? (uint32_t)((double)n * scale) : 1;
}

#endif
