/* SPDX-License-Identifier: Apache-2.0 */

#include "s3.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base64.h"
#include "fault-point.h"
#include "files.h"
#include "quantity.h"
#include "s3-credentials.h"
#include "s3-error.h"
#include "timestamp.h"

#define ANSWER_MAX         (4 * 1024 * 1024) /* a page of a listing with 1000 long keys */
#define RETRY_BUDGET       30 /* of one run; a server in trouble is not to be hit for an hour */
#define STALL_SECONDS      30
#define RATE_MIN           (64 * 1024)        /* bytes per second, below which a transfer is not waited for */
#define SKEW_MIN_USEC      (4 * USEC_PER_MIN) /* servers refuse from 5 (Swift) or 15 minutes (AWS) on */
#define INTERRUPT_CHECK_MS 200
#define PROXY_AUTH_STATUS  407                /* RFC 9110 15.5.8 */
#define WIND_UP_USEC       (4 * USEC_PER_SEC) /* within the unit's TimeoutStopSec */

/* Tests wait less. */
#ifndef S3_BACKOFF_MSEC
#define S3_BACKOFF_MSEC 500
#endif
#ifndef S3_TRIES
#define S3_TRIES 6
#endif

struct s3 {
        struct s3 *first;          /* to which all but event and http belongs; NULL: it is the first */
        const atomic_bool *ending; /* NULL: never */
        const struct s3_access *access;
        const struct interrupt *interrupt;
        struct s3_credentials credentials;
        char *ca_file;
        char *host, *base_url, *base_path; /* base_path: "/BUCKET/" or "/" */

        sd_event *event;
        struct http_client *http;
        int64_t skew_usec;
        bool skew_corrected;
        atomic_uint budget; /* the first one's counts */
        uint64_t backoff_usec, stall_usec;
};

/* One try. */
struct attempt {
        const struct s3 *s3;
        const struct s3_request *request;
        struct s3_answer *answer;
        bool running;
        int error;
        uint64_t written; /* to the request's file */
        char transport_error[256];
        uint64_t sent_usec, server_usec; /* our clock as signed, and the Date of the answer; 0: none */
};

void s3_answer_clear(struct s3_answer *answer)
{
        free(answer->body);
        *answer = (struct s3_answer){};
}

struct s3 *s3_close(struct s3 *s3)
{
        if (!s3)
                return NULL;
        http_client_free(s3->http);
        sd_event_unref(s3->event);
        if (!s3->first) {
                s3_credentials_clear(&s3->credentials);
                free(s3->ca_file);
                free(s3->host);
                free(s3->base_url);
                free(s3->base_path);
        }
        free(s3);
        return NULL;
}

/* SCHEME://HOST/BUCKET/ or SCHEME://BUCKET.HOST/ */
static int make_base(struct s3 *s3)
{
        const struct s3_access *access = s3->access;
        const char *scheme_end = strstr(access->endpoint, "://") + 3;
        bool virtual = access->addressing == S3_ADDRESSING_VIRTUAL;
        int size = (int)strcspn(scheme_end, "/"), n;

        n = asprintf(&s3->host, "%s%s%.*s", virtual ? access->bucket : "", virtual ? "." : "", size,
                     scheme_end);
        if (n < 0) {
                s3->host = NULL;
                return -ENOMEM;
        }
        n = asprintf(&s3->base_url, "%.*s%s", (int)(scheme_end - access->endpoint), access->endpoint,
                     s3->host);
        if (n < 0) {
                s3->base_url = NULL;
                return -ENOMEM;
        }
        n = asprintf(&s3->base_path, "/%s%s", virtual ? "" : access->bucket, virtual ? "" : "/");
        if (n < 0) {
                s3->base_path = NULL;
                return -ENOMEM;
        }
        return 0;
}

static int load_files(struct s3 *s3, const char *root, struct failure *failure)
{
        _cleanup_free_ char *credentials = path_under(root, s3->access->credentials_file);

        if (!credentials)
                return -ENOMEM;
        if (s3->access->ca_file) {
                s3->ca_file = path_under(root, s3->access->ca_file);
                if (!s3->ca_file)
                        return -ENOMEM;
                if (access(s3->ca_file, R_OK) < 0)
                        return failure_set(failure, -errno, "CertificateRefused", "cannot read caFile %s: %s",
                                           s3->ca_file, strerror(errno));
        }
        return s3_credentials_load(credentials, &s3->credentials, failure);
}

static int open_http(struct s3 *s3)
{
        int r;

        s3->http = NULL;
        s3->event = NULL;
        r = sd_event_new(&s3->event); /* its own: nothing else shall run while an answer is waited for */
        return r < 0 ? r : http_client_new(s3->event, &s3->http);
}

int s3_open(const struct s3_access *access, const char *root, const struct interrupt *interrupt,
            struct s3 **ret, struct failure *failure)
{
        _cleanup_(s3_closep) struct s3 *s3 = calloc(1, sizeof(*s3));
        int r;

        if (!s3)
                return -ENOMEM;
        s3->access = access;
        s3->interrupt = interrupt;
        atomic_init(&s3->budget, RETRY_BUDGET);
        s3->backoff_usec = S3_BACKOFF_MSEC * USEC_PER_MSEC;
        s3->stall_usec = stall_seconds(STALL_SECONDS) * USEC_PER_SEC;
        r = make_base(s3);
        if (r >= 0)
                r = load_files(s3, root, failure);
        if (r >= 0)
                r = open_http(s3);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(s3);
        return 0;
}

int s3_open_beside(struct s3 *first, const struct interrupt *interrupt, const atomic_bool *ending,
                   struct s3 **ret)
{
        _cleanup_(s3_closep) struct s3 *s3 = malloc(sizeof(*s3));
        int r;

        if (!s3)
                return -ENOMEM;
        *s3 = *first;
        s3->first = first;
        s3->interrupt = interrupt;
        s3->ending = ending;
        r = open_http(s3);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(s3);
        return 0;
}

bool s3_interrupted(const struct s3 *s3)
{
        return interrupted(s3->interrupt);
}

void s3_tell(const struct s3 *s3, uint64_t done, uint64_t total)
{
        interrupt_tell(s3->interrupt, done, total);
}

void s3_wind_up(struct s3 *s3)
{
        s3->interrupt = NULL;
        atomic_store(&s3->budget, 0);
        s3->stall_usec = WIND_UP_USEC;
}

int64_t s3_clock_skew_usec(const struct s3 *s3)
{
        return s3->skew_usec;
}

static int take_body(struct http_transfer *transfer, const void *data, size_t size, void *userdata)
{
        struct attempt *attempt = userdata;
        struct s3_answer *answer = attempt->answer;
        char *body;

        if (attempt->request->to_file && http_status(transfer) / 100 == 2) {
                if (size > attempt->request->file_size - attempt->written)
                        return -EBADMSG;
                attempt->written += size;
                s3_tell(attempt->s3, attempt->written, attempt->request->file_size);
                return write_all(attempt->request->fd, data, size);
        }
        if (size > ANSWER_MAX - answer->size)
                return -EFBIG;
        body = realloc(answer->body, answer->size + size + 1);
        if (!body)
                return -ENOMEM;
        memcpy(body + answer->size, data, size);
        answer->body = body;
        answer->size += size;
        answer->body[answer->size] = '\0';
        return 0;
}

/* RFC 9110 5.6.7, in the one form that is sent. */
static uint64_t parse_date(const char *text)
{
        struct tm tm = {};
        const char *end = text ? strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm) : NULL;
        time_t seconds = end && *end == '\0' ? timegm(&tm) : 0;

        return seconds > 0 ? (uint64_t)seconds * USEC_PER_SEC : 0;
}

static void take_headers(struct attempt *attempt, struct http_transfer *transfer)
{
        const char *etag = http_header(transfer, "ETag"), *length = http_header(transfer, "Content-Length"),
                   *encryption = http_header(transfer, "x-amz-server-side-encryption"),
                   *sha256 = http_header(transfer, "x-amz-meta-sha256");
        struct s3_answer *answer = attempt->answer;

        answer->status = http_status(transfer);
        answer->length = length ? strtoull(length, NULL, 10) : UINT64_MAX;
        answer->encrypted = (encryption && strcmp(encryption, "AES256") != 0) ||
                            http_header(transfer, "x-amz-server-side-encryption-customer-algorithm");
        (void)snprintf(answer->sha256, sizeof(answer->sha256), "%s", sha256 ?: "");
        if (etag && etag[0] == '"')
                (void)snprintf(answer->etag, sizeof(answer->etag), "%.*s", (int)strcspn(etag + 1, "\""),
                               etag + 1);
        else
                (void)snprintf(answer->etag, sizeof(answer->etag), "%s", etag ?: "");
        attempt->server_usec = parse_date(http_header(transfer, "Date"));
}

static void on_done(struct http_transfer *transfer, int error, void *userdata)
{
        long proxy_status = http_proxy_status(transfer);
        struct attempt *attempt = userdata;

        attempt->running = false;
        attempt->error = error;
        take_headers(attempt, transfer);
        /* Tinyproxy says 401 to a wrong password. */
        if (error < 0 && (proxy_status == PROXY_AUTH_STATUS || proxy_status == 401)) {
                /* As it would be without a tunnel: an answer, and not one that gets better by itself. */
                attempt->error = 0;
                attempt->answer->status = PROXY_AUTH_STATUS;
        }
        if (attempt->error < 0)
                (void)snprintf(attempt->transport_error, sizeof(attempt->transport_error), "%s",
                               http_error_text(transfer));
}

#define HEADERS_MAX 8

struct signed_request {
        char *url, *headers[HEADERS_MAX + 1];
};

static void signed_request_clear(struct signed_request *ready)
{
        for (size_t i = 0; ready->headers[i]; i++)
                free(ready->headers[i]);
        free(ready->url);
}

static int payload_hash(const struct s3_request *request, char ret[static SIGV4_HEX_SIZE])
{
        uint8_t digest[SHA256_SIZE];

        if (request->payload_sha256) {
                (void)snprintf(ret, SIGV4_HEX_SIZE, "%s", request->payload_sha256);
                return 0;
        }
        if (EVP_Digest(request->body ?: "", request->body_size, digest, NULL, EVP_sha256(), NULL) != 1)
                return -EIO;
        sigv4_hex(digest, ret);
        return 0;
}

static int make_headers(const struct sigv4_request *signing, struct signed_request *ready)
{
        _cleanup_free_ char *authorization = NULL;
        size_t i = 0;
        int r;

        r = sigv4_authorize(signing, &authorization);
        if (r < 0)
                return r;
        for (; signing->headers[i].name; i++)
                if (asprintf(&ready->headers[i], "%s: %s", signing->headers[i].name,
                             signing->headers[i].value) < 0) {
                        ready->headers[i] = NULL;
                        return -ENOMEM;
                }
        if (asprintf(&ready->headers[i], "authorization: %s", authorization) < 0) {
                ready->headers[i] = NULL;
                return -ENOMEM;
        }
        return 0;
}

static int sign(struct s3 *s3, const struct s3_request *request, uint64_t now_usec,
                struct signed_request *ready)
{
        _cleanup_free_ char *query = sigv4_query(request->query), *plain = NULL, *path = NULL;
        struct sigv4_field headers[HEADERS_MAX] = {};
        char time[SIGV4_TIME_SIZE], hash[SIGV4_HEX_SIZE], md5[BASE64_LENGTH(MD5_SIZE) + sizeof("==")];
        size_t n = 0;
        int r;

        if (!query || asprintf(&plain, "%s%s", s3->base_path, request->key ?: "") < 0)
                return -ENOMEM;
        path = sigv4_encode(plain, false);
        if (!path || asprintf(&ready->url, "%s%s%s%s", s3->base_url, path, query[0] ? "?" : "", query) < 0)
                return -ENOMEM;
        r = payload_hash(request, hash);
        if (r < 0)
                return r;

        if (request->md5) {
                strcat(base64_encode(request->md5, MD5_SIZE, md5), "==");
                headers[n++] = (struct sigv4_field){ "content-md5", md5 };
        }
        headers[n++] = (struct sigv4_field){ "host", s3->host };
        if (request->only_if_absent)
                headers[n++] = (struct sigv4_field){ "if-none-match", "*" };
        headers[n++] = (struct sigv4_field){ "x-amz-content-sha256", hash };
        headers[n++] = (struct sigv4_field){ "x-amz-date", sigv4_time(now_usec, time) };
        if (request->sha256)
                headers[n++] = (struct sigv4_field){ "x-amz-meta-sha256", request->sha256 };
        if (s3->credentials.session_token)
                headers[n++] = (struct sigv4_field){ "x-amz-security-token", s3->credentials.session_token };
        return make_headers(&(struct sigv4_request){ .method = request->method,
                                                     .path = path,
                                                     .query = request->query,
                                                     .headers = headers,
                                                     .payload_sha256 = hash,
                                                     .time = time,
                                                     .region = s3->access->region,
                                                     .service = "s3",
                                                     .access_key = s3->credentials.access_key,
                                                     .secret_key = s3->credentials.secret_key },
                            ready);
}

static int wait_for(struct s3 *s3, struct attempt *attempt, struct http_transfer *transfer)
{
        int r;

        while (attempt->running) {
                r = sd_event_run(s3->event, INTERRUPT_CHECK_MS * USEC_PER_MSEC);
                if (r >= 0 && attempt->running && interrupted(s3->interrupt))
                        r = -ECANCELED;
                if (r < 0) {
                        if (attempt->running)
                                http_cancel(transfer);
                        return r;
                }
        }
        return attempt->error;
}

static int rewind_file(const struct s3_request *request)
{
        if (!request->to_file)
                return 0;
        return ftruncate(request->fd, 0) < 0 || lseek(request->fd, 0, SEEK_SET) < 0 ? -errno : 0;
}

static int try_once(struct s3 *s3, struct attempt *attempt)
{
        _cleanup_(signed_request_clear) struct signed_request ready = {};
        const struct s3_request *request = attempt->request;
        struct http_transfer *transfer;
        int r;

        r = rewind_file(request);
        if (r < 0)
                return r;
        /* Each try is signed at its own time: an upload may take longer than a signature is good for. */
        attempt->sent_usec = now_realtime_usec();
        r = sign(s3, request, (uint64_t)((int64_t)attempt->sent_usec + s3->skew_usec), &ready);
        if (r < 0)
                return r;
        r = http_start(s3->http,
                       &(struct http_request){
                               .method = request->method,
                               .url = ready.url,
                               .headers = (const char *const *)ready.headers,
                               .body = request->body,
                               .body_size = request->body_size,
                               .body_file = request->body_file,
                               .ca_file = s3->ca_file,
                               .proxy = s3->access->proxy,
                               .proxy_user = s3->credentials.proxy_user,
                               .proxy_password = s3->credentials.proxy_password,
                               /* Putting many parts together takes the server a while. */
                               .stall_usec = s3->stall_usec * (strcmp(request->method, "POST") == 0 ? 4 : 1),
                               .timeout_usec =
                                       8 * s3->stall_usec +
                                       (request->body_size + request->file_size) * USEC_PER_SEC / RATE_MIN,
                               .on_body = take_body,
                               .long_body = true,
                               .userdata = attempt,
                       },
                       on_done, &transfer);
        if (r < 0)
                return r;
        attempt->running = true;
        return wait_for(s3, attempt, transfer);
}

/* Somewhere from 0 to a bound that doubles ("full jitter"), so that many nodes do not come back together. */
static int back_off(struct s3 *s3, unsigned tries)
{
        uint64_t bound = s3->backoff_usec << (tries - 1), left = 0;

        if (bound > 0 && getrandom(&left, sizeof(left), 0) == sizeof(left))
                left %= bound;
        for (left /= USEC_PER_MSEC; left > 0;) {
                uint64_t step = left < INTERRUPT_CHECK_MS ? left : INTERRUPT_CHECK_MS;

                if (interrupted(s3->interrupt))
                        return -ECANCELED;
                (void)poll(NULL, 0, (int)step);
                left -= step;
        }
        return interrupted(s3->interrupt) ? -ECANCELED : 0;
}

static int explain_transport(const struct s3 *s3, const struct attempt *attempt, int error,
                             struct failure *failure)
{
        if (error == -ECANCELED)
                return failure_set(failure, error, "Canceled", "stopped by a signal");
        if (error == -ENOMEM)
                return error;
        if (error == -EKEYREJECTED)
                return failure_set(
                        failure, error, "CertificateRefused",
                        "the certificate of %s is not trusted: %s; set the target's caFile to its authority",
                        s3->host, attempt->transport_error);
        if (error == -EBADMSG)
                return failure_set(failure, error, "StoredDifferently",
                                   "%s sends more than the %" PRIu64 " bytes that the copy's manifest names",
                                   s3->host, attempt->request->file_size);
        if (error == -ENOSPC || error == -EDQUOT || error == -EFBIG)
                return failure_set(failure, error, "DiskFull", "cannot keep what %s sent: %s", s3->host,
                                   strerror(-error));
        return failure_set(failure, -EHOSTUNREACH, "TargetUnreachable", "%s does not answer%s%s: %s",
                           s3->host, s3->access->proxy ? " through proxy " : "", s3->access->proxy ?: "",
                           attempt->transport_error[0] ? attempt->transport_error : strerror(-error));
}

static bool is_transient_transport(int error)
{
        return error == -ETIMEDOUT || error == -ECONNREFUSED || error == -EHOSTUNREACH ||
               error == -ECONNRESET || error == -EPROTO;
}

/* A refusal whose Date is far from our time is taken for the clock's fault, whatever the server calls it:
 * AWS says RequestTimeTooSkewed, Swift AccessDenied. Once; a second refusal has another cause. */
static bool correct_clock(struct s3 *s3, const struct attempt *attempt)
{
        int64_t skew = (int64_t)attempt->server_usec - (int64_t)attempt->sent_usec;

        if (s3->skew_corrected || (attempt->answer->status != 403 && attempt->answer->status != 400) ||
            attempt->server_usec == 0 || (skew < (int64_t)SKEW_MIN_USEC && -skew < (int64_t)SKEW_MIN_USEC))
                return false;
        s3->skew_corrected = true;
        s3->skew_usec = skew;
        return true;
}

enum outcome { OUTCOME_GOOD, OUTCOME_BAD, OUTCOME_RETRY, OUTCOME_RETRY_AT_ONCE };

/* What came of a try; a failure for all but OUTCOME_GOOD. */
static enum outcome judge(struct s3 *s3, const struct attempt *attempt, int *ret_error,
                          struct failure *failure)
{
        const struct s3_answer *answer = attempt->answer;
        bool refused = answer->status / 100 != 2;
        struct s3_error error = {};

        if (*ret_error < 0) {
                bool transient = is_transient_transport(*ret_error);

                *ret_error = explain_transport(s3, attempt, *ret_error, failure);
                return transient ? OUTCOME_RETRY : OUTCOME_BAD;
        }
        if (answer->size > 0 && (refused || answer->size < 64 * 1024))
                refused |= s3_error_read(answer->body, answer->size, &error);
        if (!refused)
                return OUTCOME_GOOD;
        *ret_error = s3_error_explain(answer->status, &error, failure);
        /* S3's own refusals have a code, but for those to HEAD, which have no body: whose this is, is open.
         */
        if (!error.code[0] && s3->access->proxy)
                failure_prefix(failure, "through proxy %s", s3->access->proxy);
        if (correct_clock(s3, attempt))
                return OUTCOME_RETRY_AT_ONCE;
        return s3_error_is_transient(answer->status, &error) ? OUTCOME_RETRY : OUTCOME_BAD;
}

/* From what all who share it have left. */
static bool take_from_budget(struct s3 *s3)
{
        atomic_uint *budget = s3->first ? &s3->first->budget : &s3->budget;
        unsigned left = atomic_load(budget);

        while (left > 0)
                if (atomic_compare_exchange_weak(budget, &left, left - 1))
                        return true;
        return false;
}

/* Whether there may be another try, and when it is time for it: 1, 0 for no, or negative errno. */
static int may_retry(struct s3 *s3, enum outcome outcome, unsigned tries)
{
        int r;

        switch (outcome) {
        case OUTCOME_GOOD:
        case OUTCOME_BAD:
                return 0;
        case OUTCOME_RETRY_AT_ONCE:
                return 1;
        case OUTCOME_RETRY:
                if (tries >= S3_TRIES || (s3->ending && atomic_load(s3->ending)) || !take_from_budget(s3))
                        return 0;
                r = back_off(s3, tries);
                return r < 0 ? r : 1;
        }
        return 0;
}

int s3_exchange(struct s3 *s3, const struct s3_request *request, struct s3_answer *ret,
                struct failure *failure)
{
        _cleanup_failure_ found = {};
        unsigned tries = 0;
        int error, r;

        do {
                _cleanup_s3_answer_ answer = {};
                struct attempt attempt = { .s3 = s3, .request = request, .answer = &answer };
                enum outcome outcome;

                tries++;
                error = try_once(s3, &attempt);
                outcome = judge(s3, &attempt, &error, &found);
                if (outcome == OUTCOME_GOOD) {
                        answer.tries = tries;
                        *ret = answer;
                        answer = (struct s3_answer){};
                        return 0;
                }
                r = may_retry(s3, outcome, tries);
        } while (r > 0);

        if (r < 0)
                return failure_set(failure, r, "Canceled", "stopped by a signal");
        if (!found.reason)
                return error;
        return failure_set(failure, error, found.reason, "%s%s", found.message,
                           tries >= S3_TRIES ? "; it was tried several times" : "");
}
