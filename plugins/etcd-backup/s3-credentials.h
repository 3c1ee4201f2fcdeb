/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The file with which a target's requests are signed, in the form of ~/.aws/credentials:
 *
 *   [default]
 *   aws_access_key_id = …
 *   aws_secret_access_key = …
 *   aws_session_token = …       (of temporary credentials only)
 *   proxy_user = …              (of the target's proxy, where it asks for them)
 *   proxy_password = …
 *
 * with one section at most. Blank lines and lines that begin with "#" or ";" are skipped. */

#include "cleanup.h"
#include "failure.h"

struct s3_credentials {
        char *access_key, *secret_key;
        char *session_token;               /* NULL: none */
        char *proxy_user, *proxy_password; /* both or neither */
};
#define _cleanup_s3_credentials_ _cleanup_(s3_credentials_clear) struct s3_credentials
void s3_credentials_clear(struct s3_credentials *credentials); /* zeroes them */

/* Returns 0, -EINVAL for another form or -EPERM for a file that others can read, with a failure
 * (CredentialsUnreadable) that holds nothing of the values, or another -errno. */
int s3_credentials_load(const char *path, struct s3_credentials *ret, struct failure *failure);
