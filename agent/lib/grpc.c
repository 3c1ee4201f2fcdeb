/* SPDX-License-Identifier: Apache-2.0 */

#include "grpc.h"

#include <string.h>

#define PREFIX_SIZE 5 /* 1 byte compressed flag, 4 bytes length, big-endian */

struct grpc_call {
        struct http_transfer *transfer;
        struct grpc_framer framer;
        uint8_t *body;
        char *base_url;
        int (*on_message)(struct grpc_call *call, const uint8_t *message, size_t size, void *userdata);
        grpc_done_fn done;
        void *userdata;
        bool canceled;
        int status;
};

static uint32_t read_length(const uint8_t *prefix)
{
        return (uint32_t)prefix[1] << 24 | (uint32_t)prefix[2] << 16 | (uint32_t)prefix[3] << 8 | prefix[4];
}

/* Takes bytes into the buffer until it holds `size` of them. Returns how many were taken, or -ENOMEM. */
static ssize_t framer_fill(struct grpc_framer *framer, const uint8_t *data, size_t available, size_t size)
{
        size_t taken = size - framer->size;

        if (size > framer->capacity) {
                uint8_t *buffer = realloc(framer->buffer, size);

                if (!buffer)
                        return -ENOMEM;
                framer->buffer = buffer;
                framer->capacity = size;
        }

        if (taken > available)
                taken = available;
        memcpy(framer->buffer + framer->size, data, taken);
        framer->size += taken;
        return (ssize_t)taken;
}

int grpc_framer_feed(struct grpc_framer *framer, const void *data, size_t size,
                     int (*on_message)(const uint8_t *message, size_t size, void *userdata), void *userdata)
{
        size_t max = framer->message_max ?: GRPC_UNARY_MESSAGE_MAX;
        const uint8_t *at = data, *end = at + size;
        ssize_t taken;
        int r;

        while (at < end) {
                size_t whole = PREFIX_SIZE;

                if (framer->size >= PREFIX_SIZE)
                        whole += read_length(framer->buffer);

                taken = framer_fill(framer, at, (size_t)(end - at), whole);
                if (taken < 0)
                        return (int)taken;
                at += taken;

                if (framer->size == PREFIX_SIZE && whole == PREFIX_SIZE) {
                        if (framer->buffer[0] != 0)
                                return -EPROTO;
                        if (read_length(framer->buffer) > max)
                                return -EMSGSIZE;
                        whole += read_length(framer->buffer);
                }
                if (framer->size < whole)
                        continue;

                framer->size = 0;
                r = on_message(framer->buffer + PREFIX_SIZE, whole - PREFIX_SIZE, userdata);
                if (r < 0)
                        return r;
        }

        return 0;
}

bool grpc_framer_idle(const struct grpc_framer *framer)
{
        return framer->size == 0;
}

void grpc_framer_clear(struct grpc_framer *framer)
{
        free(framer->buffer);
        framer->buffer = NULL;
        framer->size = framer->capacity = 0;
}

static void call_release(void *userdata)
{
        struct grpc_call *call = userdata;

        grpc_framer_clear(&call->framer);
        free(call->body);
        free(call->base_url);
        free(call);
}
DEFINE_CLEANUP(void *, call_release)

static int on_framed(const uint8_t *message, size_t size, void *userdata)
{
        struct grpc_call *call = userdata;
        int r = call->on_message ? call->on_message(call, message, size, call->userdata) : 0;

        return call->canceled ? -ECANCELED : r;
}

static int on_body(struct http_transfer *transfer, const void *data, size_t size, void *userdata)
{
        struct grpc_call *call = userdata;

        (void)transfer;
        return grpc_framer_feed(&call->framer, data, size, on_framed, call);
}

static const char *code_name(int code)
{
        /* grpc/grpc: doc/statuscodes.md */
        static const char *const names[] = {
                "Ok",       "Cancelled",      "Unknown",          "InvalidArgument",   "DeadlineExceeded",
                "NotFound", "AlreadyExists",  "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
                "Aborted",  "OutOfRange",     "Unimplemented",    "Internal",          "Unavailable",
                "DataLoss", "Unauthenticated"
        };

        return code >= 0 && code < (int)ELEMENTS(names) ? names[code] : "UnknownStatus";
}

static int hexadecimal(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'A' && c <= 'F')
                return c - 'A' + 10;
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        return -1;
}

/* grpc-message is percent-encoded UTF-8 (doc/PROTOCOL-HTTP2.md, "Status-Message"); control characters, which
 * would forge log lines, become spaces. */
static void decode_message(const char *text, char *buffer, size_t size)
{
        size_t n = 0;

        for (; *text && n + 1 < size; text++) {
                int high = *text == '%' ? hexadecimal(text[1]) : -1,
                    low = high >= 0 ? hexadecimal(text[2]) : -1;
                char c = *text;

                if (low >= 0) {
                        c = (char)(high << 4 | low);
                        text += 2;
                }
                buffer[n++] = (unsigned char)c < ' ' || c == 0x7f ? ' ' : c;
        }
        buffer[n] = '\0';
}

static int transport_failure(struct grpc_call *call, int error, struct failure *failure)
{
        static const struct {
                int error;
                const char *reason, *what;
        } rows[] = {
                { -ECONNREFUSED, "ConnectionRefused", "connection refused" },
                { -EKEYREJECTED, "CertificateRefused", "TLS handshake refused" },
                { -ETIMEDOUT, "TimedOut", "timed out" },
                { -ECONNRESET, "ConnectionLost", "the connection ended early" },
                { -EHOSTUNREACH, "Unreachable", "no route or no such host" },
                { -EMSGSIZE, "MessageTooLarge", "a message above the limit came" },
        };

        for (size_t i = 0; i < ELEMENTS(rows); i++)
                if (rows[i].error == error)
                        return failure_set(failure, error, rows[i].reason, "%s: %s (%s)", call->base_url,
                                           rows[i].what, http_error_text(call->transfer));

        return failure_set(failure, error, "ProtocolError", "%s: %s (%s)", call->base_url, strerror(-error),
                           http_error_text(call->transfer));
}

/* "0" to "16"; anything else is Unknown (doc/http-grpc-status-mapping.md leaves that to the client). */
static int parse_status(const char *text)
{
        char *end;
        long status = strtol(text, &end, 10);

        return *text == '\0' || *end != '\0' || status < 0 || status > 1000 ? GRPC_UNKNOWN : (int)status;
}

static int call_result(struct grpc_call *call, int error, struct failure *failure)
{
        const char *status = http_header(call->transfer, "grpc-status");
        const char *type = http_header(call->transfer, "content-type");
        char message[256];

        if (status)
                call->status = parse_status(status);

        if (call->status > 0) {
                decode_message(http_header(call->transfer, "grpc-message") ?: "", message, sizeof(message));
                return failure_set(failure, -EREMOTEIO, code_name(call->status),
                                   "%s answers: %s (gRPC status %d)", call->base_url, message, call->status);
        }
        if (error < 0)
                return transport_failure(call, error, failure);
        if (http_status(call->transfer) != 200 || !type || strncmp(type, "application/grpc", 16) != 0)
                return failure_set(failure, -EPROTO, "NotGRPC",
                                   "%s does not speak gRPC: HTTP status %ld, content type %s", call->base_url,
                                   http_status(call->transfer), type ?: "none");
        if (!grpc_framer_idle(&call->framer))
                return failure_set(failure, -ECONNRESET, "ConnectionLost",
                                   "%s: the stream ended inside a message", call->base_url);
        return 0;
}

static void on_done(struct http_transfer *transfer, int error, void *userdata)
{
        _cleanup_failure_ failure = {};
        struct grpc_call *call = userdata;

        (void)transfer;
        error = call_result(call, error, &failure);
        call->done(call, error, &failure, call->userdata);
}

static int call_frame_request(struct grpc_call *call, const struct grpc_request *request)
{
        size_t size = request->message_size;

        call->body = malloc(PREFIX_SIZE + size);
        if (!call->body)
                return -ENOMEM;

        call->body[0] = 0;
        for (unsigned i = 0; i < 4; i++)
                call->body[1 + i] = (uint8_t)(size >> (24 - 8 * i));
        if (size > 0)
                memcpy(call->body + PREFIX_SIZE, request->message, size);
        return 0;
}

int grpc_start(struct http_client *client, const struct grpc_request *request, grpc_done_fn done,
               struct grpc_call **ret)
{
        static const char *const headers[] = { "content-type: application/grpc", "te: trailers",
                                               "grpc-accept-encoding: identity", NULL };
        bool tls = strncmp(request->base_url, "https:", 6) == 0;
        _cleanup_(call_releasep) void *owner = NULL;
        _cleanup_free_ char *url = NULL;
        struct grpc_call *call;
        int r;

        if (request->message_size > GRPC_UNARY_MESSAGE_MAX)
                return -EINVAL;

        owner = call = calloc(1, sizeof(*call));
        if (!call)
                return -ENOMEM;
        call->status = -1;
        call->framer.message_max = request->message_max;
        call->on_message = request->on_message;
        call->done = done;
        call->userdata = request->userdata;
        call->base_url = strdup(request->base_url);
        url = malloc(strlen(request->base_url) + strlen(request->method) + 1);
        if (!call->base_url || !url)
                return -ENOMEM;
        stpcpy(stpcpy(url, request->base_url), request->method);
        r = call_frame_request(call, request);
        if (r < 0)
                return r;

        r = http_start(client,
                       &(struct http_request){
                               .method = "POST",
                               .url = url,
                               .headers = headers,
                               .body = call->body,
                               .body_size = PREFIX_SIZE + request->message_size,
                               .version = tls ? HTTP_VERSION_2_TLS : HTTP_VERSION_2_PRIOR_KNOWLEDGE,
                               .unix_socket = request->unix_socket,
                               .ca_file = request->ca_file,
                               .cert_file = request->cert_file,
                               .key_file = request->key_file,
                               .connect_timeout_usec = request->connect_timeout_usec,
                               .timeout_usec = request->timeout_usec,
                               .stall_usec = request->stall_usec,
                               .on_body = on_body,
                               .long_body = request->message_max > 0,
                               .release = call_release,
                               .userdata = call,
                       },
                       on_done, &call->transfer);
        if (r < 0)
                return r;

        if (ret)
                *ret = call;
        TAKE_PTR(owner);
        return 0;
}

void grpc_cancel(struct grpc_call *call)
{
        call->canceled = true;
        http_cancel(call->transfer);
}

bool grpc_status_seen(const struct grpc_call *call)
{
        return call->status >= 0;
}

int grpc_status(const struct grpc_call *call)
{
        return call->status;
}
