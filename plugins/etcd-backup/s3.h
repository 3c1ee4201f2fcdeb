/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Requests to one bucket: signed, tried again with full jitter within a budget, and with the clock of the
 * server where ours is wrong. Each call waits for its answer. */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "configuration.h"
#include "http-client.h"
#include "interrupt.h"
#include "sigv4.h"

#define S3_ETAG_MAX 128
#define MD5_SIZE    16

struct s3;

struct s3_request {
        const char *method;
        const char *key;                 /* NULL: the bucket itself */
        const struct sigv4_field *query; /* sorted; NULL: none */
        const void *body;
        size_t body_size;
        const struct http_body_file *body_file; /* as http_request has it, with … */
        const char *payload_sha256;             /* NULL: that of body */
        bool only_if_absent;                    /* If-None-Match: * */
        const uint8_t *md5; /* of the body, which some servers ask for where objects are locked; NULL: none */
        const char *sha256; /* to be kept with the object; NULL: none */
        bool to_file;       /* the answer's body goes to the file from its beginning on, anew for each try */
        int fd;
        uint64_t file_size; /* what it holds at most; what takes longer than that many bytes may, or sends
                               more, is given up */
};

struct s3_answer {
        long status;
        char *body; /* NUL-terminated, NULL for none or where it went to a file */
        size_t size;
        char etag[S3_ETAG_MAX];      /* without quotes; "" for none */
        char sha256[SIGV4_HEX_SIZE]; /* what s3_request.sha256 was */
        uint64_t length;             /* Content-Length, UINT64_MAX for none */
        bool encrypted;              /* with a key of the server's: then an ETag is no MD5 */
        unsigned tries;
};
#define _cleanup_s3_answer_ _cleanup_(s3_answer_clear) struct s3_answer
void s3_answer_clear(struct s3_answer *answer);

/* Reads the credentials. All is borrowed until s3_close. Returns 0, or negative errno with a failure. */
int s3_open(const struct s3_access *access, const char *root, const struct interrupt *interrupt,
            struct s3 **ret, struct failure *failure);
/* Another for the same bucket, for a thread that sends beside: it borrows from the first, of which it knows
 * the clock and shares the budget of tries. It is opened and closed by the first one's thread. Nothing is
 * tried again once *ending. */
int s3_open_beside(struct s3 *first, const struct interrupt *interrupt, const atomic_bool *ending,
                   struct s3 **ret);
struct s3 *s3_close(struct s3 *s3);
DEFINE_CLEANUP(struct s3 *, s3_close)

/* Returns 0 for an answer with status 2xx, else s3_error_explain's errno, -ECANCELED, or for one that did not
 * come -EHOSTUNREACH (TargetUnreachable) or -EKEYREJECTED (CertificateRefused), each with a failure. With an
 * <Error> in an answer of status 200, as CompleteMultipartUpload may have it, it is that error. */
int s3_exchange(struct s3 *s3, const struct s3_request *request, struct s3_answer *ret,
                struct failure *failure);

/* Tells who waits how far an upload is; s3_exchange does so itself for what goes to a file. */
void s3_tell(const struct s3 *s3, uint64_t done, uint64_t total);

bool s3_interrupted(const struct s3 *s3);

/* After an interrupt: lets what cleans up through, once and in few seconds. */
void s3_wind_up(struct s3 *s3);

/* How far the server's clock turned out to be ahead of ours, 0 if not so far that it mattered. */
int64_t s3_clock_skew_usec(const struct s3 *s3);
