/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* CRC-32C, the Castagnoli polynomial (RFC 3720 appendix B.4), as Go's hash/crc32 computes it. */

#include <stddef.h>
#include <stdint.h>

/* Goes on from the CRC of the bytes before; 0 at the beginning. */
uint32_t crc32c(uint32_t crc, const void *data, size_t size);
