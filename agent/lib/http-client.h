/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* An HTTP client on libcurl's multi interface, driven by sd-event. Never a proxy unless one is given, never a
 * redirect, only http and https. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "cleanup.h"
#include "failure.h"

enum http_version { HTTP_VERSION_1_1, HTTP_VERSION_2_TLS, HTTP_VERSION_2_PRIOR_KNOWLEDGE };

struct http_client;
struct http_transfer;

/* A body that is read from a file as it is sent, so that it needs no memory. */
struct http_body_file {
        int fd; /* borrowed until done was called; its own offset is not used */
        uint64_t offset;
};

/* All strings are borrowed until http_start returns (libcurl copies), the body until done was called. */
struct http_request {
        const char *method; /* "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH" */
        const char *url;
        const char *const *headers; /* "name: value", NULL-terminated; may be NULL */
        const void *body;
        size_t body_size;
        const struct http_body_file *body_file; /* NULL, or where body_size bytes are instead of body */
        enum http_version version;
        const char *unix_socket; /* may be NULL, as may all below */
        /* Re-read for each connection; with a ca_file no other CA is trusted. */
        const char *ca_file, *cert_file, *key_file;
        const char *ca_pem, *cert_pem, *key_pem; /* the same as PEM text, which goes before a file */
        /* openssl-rehash(1) has made its links; trusted beside ca_file or ca_pem. Only what a chain asks for
         * is read: all of a system's authorities take 15 ms and 0.9 MB for each connection. */
        const char *ca_directory;
        const char *proxy;
        const char *proxy_user, *proxy_password; /* both or neither; sent as Basic, to the proxy alone */
        bool keep_certificate;                   /* for http_certificate; then with a connection of its own */
        bool unverified; /* any certificate will do: for a health probe of this host, which sends no secret */

        uint64_t connect_timeout_usec; /* 0: 5 s */
        uint64_t timeout_usec;         /* of the whole exchange; 0: none */
        uint64_t stall_usec; /* no byte for so long (up to a quarter more) ends it with -ETIMEDOUT; 0: none */

        /* With on_body NULL the body is collected up to this size (0: 1 MiB), -EFBIG beyond. */
        size_t response_max;
        bool discard_body; /* instead of either */
        /* Called with each piece as it comes. Negative errno ends the transfer and is its result. May cancel
         * any transfer and free the client; http_start is refused here with -EBUSY. */
        int (*on_body)(struct http_transfer *transfer, const void *data, size_t size, void *userdata);
        bool long_body; /* in pieces of up to 256 KB, instead of 16: for megabytes */
        /* Called exactly once for each started transfer, when the client lets go of it: after done, after a
         * cancel, or when the client is freed. */
        void (*release)(void *userdata);
        void *userdata;
};

/* Called once. error is 0 when an HTTP response came whole (whatever its status), else negative errno:
 * -ETIMEDOUT, -ECONNREFUSED, -EHOSTUNREACH (name or route), -EKEYREJECTED (TLS: their certificate or ours was
 * refused or is not to be read), -ECONNRESET (ended early), -EPROTO, or what on_body returned. The transfer's
 * getters work inside, and so do http_start, http_cancel and http_client_free. After it the transfer is freed
 * by the client. */
typedef void (*http_done_fn)(struct http_transfer *transfer, int error, void *userdata);

int http_client_new(sd_event *event, struct http_client **ret);
struct http_client *http_client_free(struct http_client *client); /* aborts what runs, without calling done */
DEFINE_CLEANUP(struct http_client *, http_client_free)
/* No request is under way and no callback is running. */
bool http_client_is_idle(const struct http_client *client);

/* Returns 0, -EINVAL for a URL or option that libcurl refuses, -EBUSY inside on_body, or -ENOMEM; on failure
 * neither done nor release is called. ret_transfer may be NULL. */
int http_start(struct http_client *client, const struct http_request *request, http_done_fn done,
               struct http_transfer **ret_transfer);
void http_cancel(struct http_transfer *transfer); /* without calling done */

/* 0 before the header came. */
long http_status(struct http_transfer *transfer);
/* What the proxy answered to CONNECT; 0: nothing, or no tunnel was asked for. */
long http_proxy_status(struct http_transfer *transfer);
/* A response header or trailer, or NULL. */
const char *http_header(struct http_transfer *transfer, const char *name);
/* Where a redirect leads, which is never followed by itself: an absolute URL, whatever Location was; or NULL.
 */
const char *http_redirect_url(struct http_transfer *transfer);
/* What Retry-After asks for in seconds, at most ten minutes; 0: nothing, or a date. */
uint64_t http_retry_after_usec(struct http_transfer *transfer);
/* The certificate that the server showed, as PEM; NULL: none, or not kept. */
const char *http_certificate(struct http_transfer *transfer);
/* The collected body, NUL-terminated; ret_size may be NULL. */
const char *http_body(struct http_transfer *transfer, size_t *ret_size);
/* libcurl's words, never NULL. */
const char *http_error_text(struct http_transfer *transfer);
