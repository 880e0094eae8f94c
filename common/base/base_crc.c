/* base_crc.c - CRC32C by SSE4.2 where the CPU says it has it (asked once at load), else by
 * slicing tables of 8. */
#include "base_crc.h"

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

#define POLYNOMIAL 0x82f63b78u /* Castagnoli, reflected */

static uint32_t tables[8][256];
static uint32_t (*chosen)(uint32_t crc, const void *bytes, size_t n) = crc32c_table;

uint32_t crc32c_table(uint32_t crc, const void *bytes, size_t n)
{
    const uint8_t *p = bytes;

    crc = ~crc;
    for (; n >= 8; n -= 8, p += 8) {
        uint32_t low = crc ^ ((uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
                              (uint32_t)p[3] << 24);

        crc = tables[7][low & 0xff] ^ tables[6][low >> 8 & 0xff] ^ tables[5][low >> 16 & 0xff] ^
              tables[4][low >> 24] ^ tables[3][p[4]] ^ tables[2][p[5]] ^ tables[1][p[6]] ^
              tables[0][p[7]];
    }
    for (; n > 0; n--)
        crc = crc >> 8 ^ tables[0][(crc ^ *p++) & 0xff];
    return ~crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(uint32_t crc, const void *bytes,
                                                               size_t n)
{
    const uint8_t *p = bytes;
    uint64_t c = ~crc;

    for (; n >= 8; n -= 8, p += 8) {
        uint64_t word;

        memcpy(&word, p, sizeof(word));
        c = _mm_crc32_u64(c, word);
    }
    for (; n > 0; n--)
        c = _mm_crc32_u8((uint32_t)c, *p++);
    return ~(uint32_t)c;
}
#endif

/* Before main: no lock and no flag to test later. */
__attribute__((constructor)) static void crc_choose(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;

        for (unsigned bit = 0; bit < 8; bit++)
            c = c >> 1 ^ (c & 1 ? POLYNOMIAL : 0);
        tables[0][i] = c;
    }
    for (uint32_t i = 0; i < 256; i++) {
        for (unsigned t = 1; t < 8; t++)
            tables[t][i] = tables[t - 1][i] >> 8 ^ tables[0][tables[t - 1][i] & 0xff];
    }
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("sse4.2"))
        chosen = crc32c_sse42;
#endif
}

uint32_t crc32c(uint32_t crc, const void *bytes, size_t n)
{
    return chosen(crc, bytes, n);
}
