/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The user and password for a proxy, and URLs with and without them. */

#include <stddef.h>

#include "failure.h"

/* The line of a credentials file, "USER:PASSWORD"; fails the way file_read_secret does, or with
 * CredentialsRefused. Owned by the caller, who frees it with credentials_free. */
int credentials_load(const char *root, const char *path, char **ret, struct failure *failure);
int credentials_parse(const char *text, size_t size, char **ret);
char *credentials_free(char *credentials);
#define _cleanup_credentials_ _cleanup_(credentials_freep) char
DEFINE_CLEANUP(char *, credentials_free)

/* The proxy's URL with the credentials, percent-encoded (RFC 3986, 2.1 and 3.2.1): "http://USER:PASSWORD@…".
 * credentials may be NULL. Owned by the caller; NULL: no memory. */
char *credentials_in_url(const char *url, const char *credentials);

/* The value of the header Proxy-Authorization: "Basic …" (RFC 7617). Owned by the caller; NULL: no memory. */
char *credentials_header(const char *credentials);

/* The text with three asterisks for what stands between "://" and "@". Owned by the caller; NULL: no memory.
 */
char *credentials_hide(const char *text);
