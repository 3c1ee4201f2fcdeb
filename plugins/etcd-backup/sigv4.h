/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* AWS Signature Version 4 in the Authorization header (AWS: "Signature Calculations for the Authorization
 * Header: Transferring Payload in a Single Chunk"), on OpenSSL. libcurl's own, in Ubuntu 22.04's 7.81, signs
 * neither the hash of the body nor a sorted query. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cleanup.h"
#include "digest.h"

#define SIGV4_TIME_SIZE     sizeof("20261121T100000Z")
#define SIGV4_EMPTY_PAYLOAD "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define SIGV4_HEX_SIZE      (2 * SHA256_SIZE + 1)

struct sigv4_field {
        const char *name; /* of a header in lower case */
        const char *value;
};

struct sigv4_request {
        const char *method;
        const char *path;                  /* as it is sent, encoded by sigv4_encode */
        const struct sigv4_field *query;   /* not encoded, sorted by name; ends with a field without a name */
        const struct sigv4_field *headers; /* all that are signed, host and x-amz-date among them, sorted by
                                              name; ends likewise */
        const char *payload_sha256;        /* hexadecimal */
        const char *time;                  /* as sigv4_time makes it */
        const char *region, *service;
        const char *access_key, *secret_key;
};

char *sigv4_time(uint64_t realtime_usec, char buffer[static SIGV4_TIME_SIZE]);

/* Percent-encodes all but letters, digits and "-._~", and "/" unless `slash`. Owned by the caller; NULL: no
 * memory. */
char *sigv4_encode(const char *text, bool slash);

/* "a=1&b=%2F", also what follows the "?" of the URL; "" for none. Owned by the caller; NULL: no memory. */
char *sigv4_query(const struct sigv4_field *query);

/* The lines that are hashed. Owned by the caller; NULL: no memory. */
char *sigv4_canonical_request(const struct sigv4_request *request);

/* The value of the Authorization header, owned by the caller. Returns -ENOMEM, or -EIO when OpenSSL fails. */
int sigv4_authorize(const struct sigv4_request *request, char **ret);

/* The text of a SHA-256. */
char *sigv4_hex(const uint8_t digest[static SHA256_SIZE], char buffer[static SIGV4_HEX_SIZE]);
