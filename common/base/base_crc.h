/* base_crc.h - CRC32C (Castagnoli, RFC 3720 s12.1), by the CPU's instruction where it has one.
 *
 * crc32c(0, "123456789") is 0xe3069283; crc32c(crc32c(0, a), b) is the sum of a then b.
 * Threads: any.
 */
#ifndef BASE_CRC_H
#define BASE_CRC_H

#include "base_types.h"

uint32_t crc32c(uint32_t crc, const void *bytes, size_t n);

/* The table form, for tests and for CPUs without SSE4.2. */
uint32_t crc32c_table(uint32_t crc, const void *bytes, size_t n);

#endif
