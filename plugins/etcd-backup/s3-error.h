/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What S3 says when it refuses, and what that means here (AWS: "Error responses" of the S3 API reference). */

#include <stdbool.h>
#include <stddef.h>

#include "failure.h"

struct s3_error {
        char code[64]; /* "" where the body is not S3's, as a proxy's page */
        char message[256];
        char region[64]; /* the one that it expects, if it says so */
};

/* Never fails; false: the body is not an <Error>. */
bool s3_error_read(const char *body, size_t size, struct s3_error *ret);

/* Whether another try may go better: the server's own trouble, and bytes that changed on the way. */
bool s3_error_is_transient(long status, const struct s3_error *error);

/* The errno (-EACCES, -ENOENT, -EEXIST, -ENOSPC, -ENOSYS, -EBUSY, -EPROTO, …), and a failure with the remedy.
 */
int s3_error_explain(long status, const struct s3_error *error, struct failure *failure);
