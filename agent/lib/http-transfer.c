/* SPDX-License-Identifier: Apache-2.0 */

/* CURLOPT_PROTOCOLS is what Ubuntu 22.04's 7.81 knows; its successor came with 7.85. */
#define CURL_DISABLE_DEPRECATION

#include "http-transfer.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "quantity.h"

#define CONNECT_TIMEOUT_USEC (5 * USEC_PER_SEC)
#define RETRY_AFTER_MAX      (10 * USEC_PER_MIN)
#define HEADERS_MAX          (64 * 1024) /* of one response; servers' own limits for requests lie at or below this */
#define STREAM_BUFFER_SIZE   (256L * 1024)

/* CURLOPT_CA_CACHE_TIMEOUT, by number because 7.81's header lacks it: since 7.87 libcurl keeps a parsed CA
 * file for a day, which would outlive a rotation. Older ones answer CURLE_UNKNOWN_OPTION and have nothing to
 * switch off. */
#define OPTION_CA_CACHE_TIMEOUT ((CURLoption)(CURLOPTTYPE_LONG + 321))

/* CURLOPT_CAINFO_BLOB, by number for the same reason: 7.77 brought it, Ubuntu 22.04 has it. */
#define OPTION_CAINFO_BLOB ((CURLoption)(CURLOPTTYPE_BLOB + 309))

static bool is_tls_refusal(const char *text)
{
        /* With TLS 1.3 a refused client certificate is seen only at the first read, as the peer's alert in
         * OpenSSL's words (RFC 8446 6.2: bad_certificate, unknown_ca, certificate_required, …), behind
         * CURLE_RECV_ERROR. */
        return strstr(text, "alert") && (strstr(text, "certificate") || strstr(text, "unknown ca") ||
                                         strstr(text, "access denied") || strstr(text, "handshake failure"));
}

/* Or as a mere reset, when our request crossed the alert: the peer was content with TLS, answered nothing at
 * all and hung up on a new connection. */
static bool looks_like_tls_refusal(struct http_transfer *transfer)
{
        curl_off_t handshake_usec = 0;
        long header = 0, connects = 0;

        curl_easy_getinfo(transfer->easy, CURLINFO_APPCONNECT_TIME_T, &handshake_usec);
        curl_easy_getinfo(transfer->easy, CURLINFO_HEADER_SIZE, &header);
        curl_easy_getinfo(transfer->easy, CURLINFO_NUM_CONNECTS, &connects);
        if (!transfer->has_certificate || handshake_usec == 0 || header > 0 || connects == 0)
                return false;

        (void)snprintf(
                transfer->error_text, sizeof(transfer->error_text),
                "the peer hung up right behind the TLS handshake, as it does on a client certificate that it "
                "refuses");
        return true;
}

static int connect_error(CURL *easy)
{
        long saved_errno = 0;

        curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &saved_errno);
        switch (saved_errno) {
        case EHOSTUNREACH:
        case ENETUNREACH:
        case EADDRNOTAVAIL:
                return -EHOSTUNREACH;
        case ETIMEDOUT:
                return -ETIMEDOUT;
        default: /* ECONNREFUSED, or a Unix socket's ENOENT: nobody listens */
                return -ECONNREFUSED;
        }
}

int http_transfer_error(struct http_transfer *transfer, CURLcode code)
{
        if (transfer->result < 0)
                return transfer->result;

        /* Not every code has its own meaning here, and libcurl grows new ones. */
        switch ((int)code) {
        case CURLE_OK:
                return 0;
        case CURLE_OUT_OF_MEMORY:
                return -ENOMEM;
        case CURLE_OPERATION_TIMEDOUT:
                return -ETIMEDOUT;
        case CURLE_COULDNT_RESOLVE_HOST:
        case CURLE_COULDNT_RESOLVE_PROXY:
                return -EHOSTUNREACH;
        case CURLE_COULDNT_CONNECT:
                return connect_error(transfer->easy);
        case CURLE_PEER_FAILED_VERIFICATION:
        case CURLE_SSL_CONNECT_ERROR:
        case CURLE_SSL_CERTPROBLEM:
        case CURLE_SSL_CACERT_BADFILE:
        case CURLE_SSL_ISSUER_ERROR:
                return -EKEYREJECTED;
        case CURLE_PARTIAL_FILE:
        case CURLE_GOT_NOTHING:
        case CURLE_RECV_ERROR:
        case CURLE_SEND_ERROR:
        case CURLE_HTTP2:
        case CURLE_HTTP2_STREAM:
                return is_tls_refusal(transfer->error_text) || looks_like_tls_refusal(transfer)
                               ? -EKEYREJECTED
                               : -ECONNRESET;
        default:
                return -EPROTO;
        }
}

/* Makes room for so many bytes; twice of what there was, or pages of metrics would be moved at each piece. */
static int reserve(struct http_transfer *transfer, size_t size)
{
        char *body;

        if (size <= transfer->body_capacity)
                return 0;
        if (size < 2 * transfer->body_capacity)
                size = 2 * transfer->body_capacity;
        body = realloc(transfer->body, size);
        if (!body)
                return -ENOMEM;
        transfer->body = body;
        transfer->body_capacity = size;
        return 0;
}

static int collect(struct http_transfer *transfer, const void *data, size_t size)
{
        if (size > transfer->body_max - transfer->body_size)
                return -EFBIG;
        if (reserve(transfer, transfer->body_size + size + 1) < 0)
                return -ENOMEM;

        memcpy(transfer->body + transfer->body_size, data, size);
        transfer->body_size += size;
        transfer->body[transfer->body_size] = '\0';
        return 0;
}

static size_t on_write(char *data, size_t unit, size_t count, void *userdata)
{
        struct http_transfer *transfer = userdata;
        size_t size = unit * count;
        int r;

        if (transfer->canceled || transfer->result < 0)
                return 0;

        r = transfer->discards  ? 0
            : transfer->on_body ? transfer->on_body(transfer, data, size, transfer->userdata)
                                : collect(transfer, data, size);
        if (r < 0)
                transfer->result = r;
        /* libcurl takes 0 for an empty piece as well written. */
        return r < 0 || transfer->canceled ? (size == 0 ? 1 : 0) : size;
}

static int keep_header(struct http_transfer *transfer, const char *line, size_t size)
{
        const char *colon = memchr(line, ':', size);
        size_t name_size, value_size;
        const char *value;
        char *lines;

        if (!colon || memchr(line, '\0', size))
                return 0;

        name_size = (size_t)(colon - line);
        value = colon + 1;
        value_size = size - name_size - 1;
        while (value_size > 0 && strchr(" \t", *value))
                value++, value_size--;
        while (value_size > 0 && strchr(" \t\r\n", value[value_size - 1]))
                value_size--;

        if (name_size + value_size + 2 > HEADERS_MAX - transfer->header_lines_size)
                return -EFBIG;
        lines = realloc(transfer->header_lines, transfer->header_lines_size + name_size + value_size + 2);
        if (!lines)
                return -ENOMEM;

        transfer->header_lines = lines;
        lines += transfer->header_lines_size;
        memcpy(lines, line, name_size);
        lines[name_size] = '\0';
        memcpy(lines + name_size + 1, value, value_size);
        lines[name_size + 1 + value_size] = '\0';
        transfer->header_lines_size += name_size + value_size + 2;
        return 0;
}

static size_t on_header(char *line, size_t unit, size_t count, void *userdata)
{
        struct http_transfer *transfer = userdata;
        size_t size = unit * count;
        int r;

        if (transfer->canceled || transfer->result < 0)
                return 0;

        if (size >= 5 && memcmp(line, "HTTP/", 5) == 0) {
                transfer->header_lines_size = 0; /* of an interim response, as 100 Continue */
                return size;
        }

        r = keep_header(transfer, line, size);
        if (r < 0) {
                transfer->result = r;
                return 0;
        }
        return size;
}

static int set_headers(struct http_transfer *transfer, const struct http_request *request)
{
        /* Without these two libcurl waits for "100 Continue" and calls every body a form. */
        static const char *const unwanted[] = { "Expect:", "Content-Type:" };
        bool given[ELEMENTS(unwanted)] = {};

        for (size_t i = 0; request->headers && request->headers[i]; i++) {
                struct curl_slist *list = curl_slist_append(transfer->headers, request->headers[i]);

                if (!list)
                        return -ENOMEM;
                transfer->headers = list;
                for (size_t u = 0; u < ELEMENTS(unwanted); u++)
                        given[u] |= strncasecmp(request->headers[i], unwanted[u], strlen(unwanted[u])) == 0;
        }

        for (size_t u = 0; u < ELEMENTS(unwanted); u++) {
                struct curl_slist *list;

                if (given[u])
                        continue;
                list = curl_slist_append(transfer->headers, unwanted[u]);
                if (!list)
                        return -ENOMEM;
                transfer->headers = list;
        }

        return curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, transfer->headers) == CURLE_OK ? 0
                                                                                                   : -EINVAL;
}

static size_t on_read(char *buffer, size_t unit, size_t count, void *userdata)
{
        struct http_transfer *transfer = userdata;
        uint64_t left = transfer->upload_size - transfer->uploaded;
        size_t size = unit * count < left ? unit * count : (size_t)left;
        ssize_t n;

        if (transfer->canceled)
                return CURL_READFUNC_ABORT;
        n = pread(transfer->upload.fd, buffer, size, (off_t)(transfer->upload.offset + transfer->uploaded));
        if (n < 0 || (n == 0 && size > 0)) { /* a file that shrank cannot keep its Content-Length */
                transfer->result = n < 0 ? -errno : -ENODATA;
                return CURL_READFUNC_ABORT;
        }
        transfer->uploaded += (uint64_t)n;
        return (size_t)n;
}

/* When a kept connection turns out to be dead, libcurl begins anew on another. */
static int on_seek(void *userdata, curl_off_t offset, int origin)
{
        struct http_transfer *transfer = userdata;

        if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > transfer->upload_size)
                return CURL_SEEKFUNC_CANTSEEK;
        transfer->uploaded = (uint64_t)offset;
        return CURL_SEEKFUNC_OK;
}

static CURLcode set_body_file(struct http_transfer *transfer, const struct http_request *request)
{
        CURL *easy = transfer->easy;

        transfer->upload = *request->body_file;
        transfer->upload_size = request->body_size;
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_size);
        curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_read);
        curl_easy_setopt(easy, CURLOPT_READDATA, transfer);
        curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_seek);
        curl_easy_setopt(easy, CURLOPT_SEEKDATA, transfer);
        curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, STREAM_BUFFER_SIZE);
        return curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
}

static CURLcode set_method(struct http_transfer *transfer, const struct http_request *request)
{
        CURL *easy = transfer->easy;

        if (request->body_file)
                return set_body_file(transfer, request);
        if (strcmp(request->method, "GET") == 0 && !request->body)
                return curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
        if (strcmp(request->method, "HEAD") == 0)
                return curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
        if (strcmp(request->method, "DELETE") != 0 || request->body) {
                curl_easy_setopt(easy, CURLOPT_POST, 1L);
                curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_size);
                curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body ? request->body : "");
        }
        return curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
}

static CURLcode set_material(CURL *easy, CURLoption file_option, const char *file, CURLoption pem_option,
                             const char *pem)
{
        if (pem) {
                struct curl_blob blob = { (void *)pem, strlen(pem), CURL_BLOB_COPY };

                return curl_easy_setopt(easy, pem_option, &blob);
        }
        return file ? curl_easy_setopt(easy, file_option, file) : CURLE_OK;
}

static CURLcode set_tls(CURL *easy, const struct http_request *request)
{
        CURLcode code = CURLE_OK;

        curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
        curl_easy_setopt(easy, CURLOPT_SSL_SESSIONID_CACHE,
                         0L); /* a resumed session keeps the old certificate */
        curl_easy_setopt(easy, OPTION_CA_CACHE_TIMEOUT, 0L);
        if (request->keep_certificate) {
                curl_easy_setopt(easy, CURLOPT_CERTINFO, 1L);
                /* On a connection of old it would be an old one, or none at all. */
                curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
                curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
        }
        if (request->unverified) {
                curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
                curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
        }
        /* Debian's default CApath would otherwise be trusted beside the file. */
        if (request->ca_file || request->ca_pem || request->ca_directory)
                curl_easy_setopt(easy, CURLOPT_CAPATH, request->ca_directory);
        if (request->ca_directory && !request->ca_file && !request->ca_pem)
                curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
        code = set_material(easy, CURLOPT_CAINFO, request->ca_file, OPTION_CAINFO_BLOB, request->ca_pem);
        if (code == CURLE_OK)
                code = set_material(easy, CURLOPT_SSLCERT, request->cert_file, CURLOPT_SSLCERT_BLOB,
                                    request->cert_pem);
        if (code == CURLE_OK)
                code = set_material(easy, CURLOPT_SSLKEY, request->key_file, CURLOPT_SSLKEY_BLOB,
                                    request->key_pem);
        return code;
}

static CURLcode set_connection(CURL *easy, const struct http_request *request)
{
        static const long versions[] = {
                [HTTP_VERSION_1_1] = CURL_HTTP_VERSION_1_1,
                [HTTP_VERSION_2_TLS] = CURL_HTTP_VERSION_2TLS,
                [HTTP_VERSION_2_PRIOR_KNOWLEDGE] = CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE,
        };
        uint64_t connect_usec = request->connect_timeout_usec ?: CONNECT_TIMEOUT_USEC;
        CURLcode code;

        curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(easy, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
        curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)(connect_usec / 1000));
        curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)(request->timeout_usec / 1000));
        curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
        /* libcurl 7.88.1 fails every transfer but the first on such a connection, with CURLE_HTTP2 (tried).
         */
        if (request->version == HTTP_VERSION_2_PRIOR_KNOWLEDGE) {
                curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
                curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L); /* each keeps 40 KB */
        }
        if (request->long_body)
                curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, STREAM_BUFFER_SIZE);

        code = curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, versions[request->version]);
        if (code == CURLE_OK)
                code = curl_easy_setopt(easy, CURLOPT_URL, request->url);
        if (code == CURLE_OK) /* "" also keeps the environment's proxy variables out */
                code = curl_easy_setopt(easy, CURLOPT_PROXY, request->proxy ?: "");
        if (code == CURLE_OK)
                code = curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
        if (code == CURLE_OK && request->proxy_user)
                code = curl_easy_setopt(easy, CURLOPT_PROXYUSERNAME, request->proxy_user);
        if (code == CURLE_OK && request->proxy_password)
                code = curl_easy_setopt(easy, CURLOPT_PROXYPASSWORD, request->proxy_password);
        if (code == CURLE_OK && request->unix_socket)
                code = curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, request->unix_socket);
        return code;
}

int http_transfer_setup(struct http_transfer *transfer, const struct http_request *request)
{
        CURL *easy = transfer->easy;
        CURLcode code;

        curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
        curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error_text);
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_write);
        curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
        curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
        curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);

        code = set_connection(easy, request);
        if (code == CURLE_OK)
                code = set_tls(easy, request);
        if (code == CURLE_OK)
                code = set_method(transfer, request);
        if (code != CURLE_OK)
                return code == CURLE_OUT_OF_MEMORY ? -ENOMEM : -EINVAL;

        return set_headers(transfer, request);
}

long http_status(struct http_transfer *transfer)
{
        long status = 0;

        curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
        return status;
}

long http_proxy_status(struct http_transfer *transfer)
{
        long status = 0;

        curl_easy_getinfo(transfer->easy, CURLINFO_HTTP_CONNECTCODE, &status);
        return status;
}

const char *http_header(struct http_transfer *transfer, const char *name)
{
        const char *found = NULL, *at = transfer->header_lines;

        while (at && at < transfer->header_lines + transfer->header_lines_size) {
                const char *value = at + strlen(at) + 1;

                if (strcasecmp(at, name) == 0)
                        found = value; /* the last one, so that a trailer wins */
                at = value + strlen(value) + 1;
        }

        return found;
}

uint64_t http_retry_after_usec(struct http_transfer *transfer)
{
        const char *text = http_header(transfer, "Retry-After");
        uint64_t seconds;
        char *end;

        if (!text || text[0] < '0' || text[0] > '9')
                return 0;
        seconds = strtoull(text, &end, 10);
        if (*end)
                return 0;
        return seconds < RETRY_AFTER_MAX / USEC_PER_SEC ? seconds * USEC_PER_SEC : RETRY_AFTER_MAX;
}

const char *http_certificate(struct http_transfer *transfer)
{
        static const char prefix[] = "Cert:";
        struct curl_certinfo *chain = NULL;

        if (curl_easy_getinfo(transfer->easy, CURLINFO_CERTINFO, &chain) != CURLE_OK || !chain ||
            chain->num_of_certs <= 0)
                return NULL;
        for (const struct curl_slist *line = chain->certinfo[0]; line; line = line->next)
                if (strncmp(line->data, prefix, strlen(prefix)) == 0)
                        return line->data + strlen(prefix);
        return NULL;
}

const char *http_body(struct http_transfer *transfer, size_t *ret_size)
{
        if (ret_size)
                *ret_size = transfer->body_size;
        return transfer->body ?: "";
}

const char *http_redirect_url(struct http_transfer *transfer)
{
        char *url = NULL;

        (void)curl_easy_getinfo(transfer->easy, CURLINFO_REDIRECT_URL, &url);
        return url;
}

const char *http_error_text(struct http_transfer *transfer)
{
        return transfer->error_text[0] ? transfer->error_text : "no further detail";
}
