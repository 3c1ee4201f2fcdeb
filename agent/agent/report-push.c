/* SPDX-License-Identifier: Apache-2.0 */

#include "report-push.h"

#include <string.h>

#include "files.h"
#include "http-client.h"
#include "metric.h"
#include "publish-schedule.h"
#include "publish-status.h"
#include "quantity.h"
#include "timestamp.h"

#define REQUEST_TIMEOUT_USEC (30 * USEC_PER_SEC)
#define TOKEN_MAX            (16 * 1024) /* a projected ServiceAccount token is below 2 KiB */

enum outcome {
        PUSH_OK,
        PUSH_UNREACHABLE,
        PUSH_TIMEOUT,
        PUSH_TLS_REFUSED,
        PUSH_CREDENTIAL_UNREADABLE,
        PUSH_CREDENTIAL_REFUSED,
        PUSH_BUSY,
        PUSH_ERROR,
        PUSH_REFUSED,
        PUSH_OUTCOMES,
};

/* The first wait: short where trying again soon helps, half a minute where somebody has to do something. */
static const struct {
        const char *reason;
        uint64_t backoff_usec;
} outcomes[PUSH_OUTCOMES] = {
        [PUSH_OK] = { "Published", 0 },
        [PUSH_UNREACHABLE] = { "ReceiverUnreachable", 2 * USEC_PER_SEC },
        [PUSH_TIMEOUT] = { "ReceiverTimeout", 4 * USEC_PER_SEC },
        [PUSH_TLS_REFUSED] = { "ReceiverTlsRefused", 10 * USEC_PER_SEC },
        [PUSH_CREDENTIAL_UNREADABLE] = { "CredentialUnreadable", 10 * USEC_PER_SEC },
        [PUSH_CREDENTIAL_REFUSED] = { "CredentialRefused", 10 * USEC_PER_SEC },
        [PUSH_BUSY] = { "ReceiverBusy", 10 * USEC_PER_SEC },
        [PUSH_ERROR] = { "ReceiverError", 4 * USEC_PER_SEC },
        [PUSH_REFUSED] = { "ReceiverRefused", 30 * USEC_PER_SEC },
};

struct report_push {
        sd_event *event;
        sd_event_source *timer;
        const char *root;
        void (*changed)(void *userdata);
        void *userdata;

        struct report_config config; /* a copy; url NULL: switched off */
        json_object *document;
        int64_t sequence; /* of the document that was offered last */

        struct http_client *http; /* of the POST under way; NULL: none is */
        char *body;

        struct publish_schedule schedule;
        struct publish_status status;
        uint64_t counts[PUSH_OUTCOMES];
};

static const size_t config_texts[] = {
        offsetof(struct report_config, url),        offsetof(struct report_config, ca_file),
        offsetof(struct report_config, cert_file),  offsetof(struct report_config, key_file),
        offsetof(struct report_config, token_file), offsetof(struct report_config, proxy),
};

static char **text_at(struct report_config *config, size_t i)
{
        return (char **)((char *)config + config_texts[i]);
}

static void arm(struct report_push *push);

static void hang_up(struct report_push *push)
{
        push->http = http_client_free(push->http);
        free(push->body);
        push->body = NULL;
}

struct report_push *report_push_free(struct report_push *push)
{
        if (!push)
                return NULL;
        hang_up(push);
        sd_event_source_disable_unref(push->timer);
        json_object_put(push->document);
        for (size_t i = 0; i < ELEMENTS(config_texts); i++)
                free(*text_at(&push->config, i));
        publish_status_clear(&push->status);
        sd_event_unref(push->event);
        free(push);
        return NULL;
}

/* ---- what becomes of a POST ---- */

static void failed(struct report_push *push, enum outcome outcome, const char *message,
                   uint64_t retry_after_usec)
{
        push->counts[outcome]++;
        schedule_failed(&push->schedule, now_boottime_usec(), outcomes[outcome].backoff_usec,
                        retry_after_usec, publish_random());
        publish_failed(&push->status, outcomes[outcome].reason, message);
        push->changed(push->userdata);
}

static void succeeded(struct report_push *push)
{
        push->counts[PUSH_OK]++;
        schedule_succeeded(&push->schedule, now_boottime_usec());
        publish_succeeded(&push->status, "the health document to the management plane");
        push->changed(push->userdata);
}

static enum outcome error_outcome(int error)
{
        return error == -ETIMEDOUT      ? PUSH_TIMEOUT
               : error == -EKEYREJECTED ? PUSH_TLS_REFUSED
                                        : PUSH_UNREACHABLE;
}

static enum outcome status_outcome(long status, bool has_retry_after)
{
        if (status >= 200 && status < 300)
                return PUSH_OK;
        if (status == 401 || status == 403)
                return PUSH_CREDENTIAL_REFUSED;
        if (status == 429 || (status == 503 && has_retry_after))
                return PUSH_BUSY;
        return status >= 500 ? PUSH_ERROR : PUSH_REFUSED;
}

static void on_done(struct http_transfer *transfer, int error, void *userdata)
{
        struct report_push *push = userdata;
        uint64_t retry_after = error == 0 ? http_retry_after_usec(transfer) : 0;
        enum outcome outcome;
        char message[64];

        push->status.tried_usec = now_realtime_usec();
        outcome = error == 0 ? status_outcome(http_status(transfer), retry_after > 0) : error_outcome(error);
        if (outcome == PUSH_OK) {
                succeeded(push);
        } else if (error == 0) {
                (void)snprintf(message, sizeof(message), "HTTP status %ld", http_status(transfer));
                failed(push, outcome, message, retry_after);
        } else {
                failed(push, outcome, http_error_text(transfer), 0);
        }
        hang_up(push);
        arm(push);
}

/* ---- a POST ---- */

/* "Authorization: Bearer TOKEN"; NULL in *ret without a tokenFile. Cleansed and freed by the caller. */
static int read_token(const struct report_push *push, char **ret, struct failure *failure)
{
        _cleanup_free_ char *path = NULL;
        char *token = NULL, *line = NULL;
        size_t size, length;
        int r;

        *ret = NULL;
        if (!push->config.token_file)
                return 0;
        path = path_under(push->root, push->config.token_file);
        if (!path)
                return -ENOMEM;
        r = file_read_secret(path, TOKEN_MAX, &token, &size, failure);
        if (r < 0)
                return r;
        /* RFC 6750, 2.1; anything else could end the field and begin another. */
        length = strspn(token, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~+/=");
        if (length == 0 || length + strspn(token + length, " \r\n") != size)
                r = failure_set(failure, -EINVAL, "CredentialUnreadable",
                                "%s does not hold one bearer token (RFC 6750)", push->config.token_file);
        else if (asprintf(&line, "Authorization: Bearer %.*s", (int)length, token) < 0)
                r = -ENOMEM;
        explicit_bzero(token, size);
        free(token);
        if (r < 0)
                return r;
        *ret = line;
        return 0;
}

/* libcurl reads the key itself, and does not mind who else can. */
static int check_key(const char *path, struct failure *failure)
{
        char *key = NULL;
        size_t size;
        int r;

        if (!path)
                return 0;
        r = file_read_secret(path, TOKEN_MAX, &key, &size, failure);
        if (r < 0)
                return r;
        explicit_bzero(key, size);
        free(key);
        return 0;
}

static int start(struct report_push *push, const char *authorization, struct failure *failure)
{
        const struct report_config *config = &push->config;
        _cleanup_free_ char *ca = NULL, *certificate = NULL, *key = NULL;
        static const char user_agent[] = "User-Agent: capi-node-agent/" PROJECT_VERSION;
        char etag[128];
        const char *headers[] = { "Content-Type: application/json", user_agent, etag, authorization, NULL };
        int r;

        ca = config->ca_file ? path_under(push->root, config->ca_file) : NULL;
        certificate = config->cert_file ? path_under(push->root, config->cert_file) : NULL;
        key = config->key_file ? path_under(push->root, config->key_file) : NULL;
        push->body = strdup(
                json_object_to_json_string_ext(push->document,
                                               JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
        if (!push->body || (config->ca_file && !ca) || (config->cert_file && (!certificate || !key)))
                return -ENOMEM;
        r = check_key(key, failure);
        if (r < 0)
                return r;
        r = http_client_new(push->event, &push->http);
        if (r < 0)
                return r;
        (void)snprintf(etag, sizeof(etag), "Capi-Node-ETag: W/\"%.64s-%lld\"",
                       json_string(push->document, "bootId"), (long long)push->sequence);
        return http_start(push->http,
                          &(struct http_request){
                                  .method = "POST",
                                  .url = config->url,
                                  .headers = headers,
                                  .body = push->body,
                                  .body_size = strlen(push->body),
                                  .version = HTTP_VERSION_2_TLS,
                                  .ca_file = ca,
                                  .cert_file = certificate,
                                  .key_file = key,
                                  .proxy = config->proxy,
                                  .timeout_usec = REQUEST_TIMEOUT_USEC,
                                  /* What it answers beyond its status is nobody's business here. */
                                  .discard_body = true,
                                  .userdata = push,
                          },
                          on_done, NULL);
}

static void post(struct report_push *push)
{
        _cleanup_failure_ failure = {};
        char *authorization = NULL;
        int r;

        r = read_token(push, &authorization, &failure);
        if (r >= 0)
                r = start(push, authorization, &failure);
        if (authorization)
                explicit_bzero(authorization, strlen(authorization));
        free(authorization);
        if (r < 0) {
                hang_up(push);
                failed(push, failure.message ? PUSH_CREDENTIAL_UNREADABLE : PUSH_UNREACHABLE,
                       failure.message ?: strerror(-r), 0);
                return;
        }
        schedule_begun(&push->schedule);
}

/* ---- the loop ---- */

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct report_push *push = userdata;

        if (schedule_due(&push->schedule) <= now_boottime_usec())
                post(push);
        arm(push);
        return 0;
}

static void arm(struct report_push *push)
{
        uint64_t due = push->config.url && push->document && !push->http ? schedule_due(&push->schedule)
                                                                         : UINT64_MAX;

        if (due == UINT64_MAX) {
                (void)sd_event_source_set_enabled(push->timer, SD_EVENT_OFF);
                return;
        }
        (void)sd_event_source_set_time(push->timer, due);
        (void)sd_event_source_set_enabled(push->timer, SD_EVENT_ONESHOT);
}

static bool same_text(const char *a, const char *b)
{
        return a == b || (a && b && strcmp(a, b) == 0);
}

/* Returns 1 when something changed, 0 when not, or -ENOMEM. */
static int take_config(struct report_push *push, const struct report_config *config)
{
        struct report_config *from = (struct report_config *)config;
        int changed = 0;

        for (size_t i = 0; i < ELEMENTS(config_texts); i++) {
                char **mine = text_at(&push->config, i), *text = *text_at(from, i), *copy;

                if (same_text(*mine, text))
                        continue;
                copy = text ? strdup(text) : NULL;
                if (text && !copy)
                        return -ENOMEM;
                free(*mine);
                *mine = copy;
                changed = 1;
        }
        changed |= push->config.heartbeat_usec != config->heartbeat_usec ||
                   push->config.debounce_usec != config->debounce_usec;
        push->config.heartbeat_usec = config->heartbeat_usec;
        push->config.debounce_usec = config->debounce_usec;
        return changed;
}

int report_push_offer(struct report_push *push, const struct report_config *config, json_object *document)
{
        int64_t sequence = json_integer(document, "sequence", 0);
        int r;

        r = take_config(push, config);
        if (r < 0)
                return r;
        if (r > 0) {
                hang_up(push);
                push->schedule = (struct publish_schedule){ .batch_usec = config->debounce_usec };
                schedule_set_heartbeat(&push->schedule, config->heartbeat_usec,
                                       json_string(document, "node") ?: json_string(document, "hostname") ?: "");
        }
        json_object_put(push->document);
        push->document = json_object_get(document);
        if (r > 0 || sequence != push->sequence)
                schedule_changed(&push->schedule, now_boottime_usec());
        push->sequence = sequence;
        arm(push);
        return 0;
}

int report_push_report(struct report_push *push, json_object *checks, json_object *metrics)
{
        _cleanup_free_ char *message = NULL;
        int r;

        if (!push->config.url)
                return 0;
        if (push->status.published && asprintf(&message, "posted to %s", push->config.url) < 0)
                message = NULL;
        r = publish_status_check(&push->status, "NotPublishedYet",
                                 message ?: push->status.message ?: "about to begin", checks);
        if (r < 0)
                return r;
        r = publish_status_metrics(&push->status, metrics);
        for (enum outcome outcome = 0; outcome < PUSH_OUTCOMES; outcome++)
                if (push->counts[outcome] > 0 || outcome == PUSH_OK)
                        r |= publish_status_count(&push->status, outcomes[outcome].reason,
                                                  push->counts[outcome], metrics);
        return r == 0 ? 0 : -ENOMEM;
}

int report_push_new(sd_event *event, const char *root, void (*changed)(void *userdata), void *userdata,
                    struct report_push **ret)
{
        _cleanup_(report_push_freep) struct report_push *push = calloc(1, sizeof(*push));
        int r;

        if (!push)
                return -ENOMEM;
        *push = (struct report_push){
                .event = sd_event_ref(event),
                .root = root,
                .changed = changed,
                .userdata = userdata,
                .status = { .target = "report" },
        };
        r = sd_event_add_time(event, &push->timer, CLOCK_BOOTTIME, UINT64_MAX, SCHEDULE_SETTLE_USEC / 10,
                              on_timer, push);
        if (r < 0)
                return r;
        r = sd_event_source_set_enabled(push->timer, SD_EVENT_OFF);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(push);
        return 0;
}
