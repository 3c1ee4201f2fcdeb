/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* CRC-32C, the Castagnoli polynomial (RFC 3720 appendix B.4), as Go's hash/crc32 computes it. */

#include <stddef.h>
#include <stdint.h>

/* Goes on from the CRC of the bytes before; 0 at the beginning. */
uint32_t crc32c(uint32_t crc, const void *data, size_t size);
/* Of A followed by B, from that of A, that of B, and the size of B. */
uint32_t crc32c_combine(uint32_t a, uint32_t b, uint64_t b_size);
