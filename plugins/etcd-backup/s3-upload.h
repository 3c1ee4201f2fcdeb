/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Objects that are stored whole or not at all. */

#include "s3.h"

/* Stores the first `size` bytes of the file, in parts where it is large, and looks at the object that came of
 * it. Returns 0 when that is these bytes; -EBADMSG when it is not, or when the file's SHA-256 is another;
 * else s3_exchange's errors; each with a failure. After one nothing of it is left, as far as the server lets
 * us. */
int s3_put_file(struct s3 *s3, const char *key, int fd, uint64_t size,
                const uint8_t sha256[static SHA256_SIZE], struct failure *failure);

/* Stores the text where nothing stands yet, as far as the server can tell. -EEXIST: something does. */
int s3_put_text(struct s3 *s3, const char *key, const char *text, struct failure *failure);

int s3_abort_upload(struct s3 *s3, const char *key, const char *id, struct failure *failure);

/* Returns 0 also when there is none. */
int s3_delete(struct s3 *s3, const char *key, struct failure *failure);
