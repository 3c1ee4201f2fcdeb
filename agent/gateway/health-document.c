/* SPDX-License-Identifier: Apache-2.0 */

#include "health-document.h"

#include <inttypes.h>
#include <string.h>

#include "file-watch.h"
#include "files.h"
#include "health-stale.h"
#include "log.h"
#include "quantity.h"
#include "resident-memory.h"
#include "timestamp.h"

struct health_document {
        void (*changed)(void *userdata);
        void *userdata;
        char *json_path, *metrics_path;
        struct file_watch *json_watch;
        sd_event_source *expiry;

        struct health_view fresh, stale; /* as written; as it is read when its time is over */
        bool is_stale;
        uint64_t seen_usec, valid_for_usec; /* CLOCK_BOOTTIME: a clock set back keeps nothing alive */
        struct body *metrics;               /* as it was when somebody last asked */
        struct file_stamp metrics_stamp;
        char *broken; /* why the file that is there now is not served; NULL: it is */
};

static void view_clear(struct health_view *view)
{
        json_object_put(view->json);
        body_unref(view->body);
        *view = (struct health_view){};
}

struct health_document *health_document_free(struct health_document *document)
{
        if (!document)
                return NULL;
        file_watch_free(document->json_watch);
        sd_event_source_disable_unref(document->expiry);
        view_clear(&document->fresh);
        view_clear(&document->stale);
        body_unref(document->metrics);
        free(document->json_path);
        free(document->metrics_path);
        free(document->broken);
        free(document);
        return NULL;
}

const struct health_view *health_document_view(const struct health_document *document)
{
        if (document->is_stale)
                return &document->stale;
        return document->fresh.json ? &document->fresh : NULL;
}

bool health_document_is_fresh(const struct health_document *document)
{
        return document->fresh.json && !document->is_stale;
}

uint64_t health_document_age_usec(const struct health_document *document)
{
        return document->fresh.json ? now_boottime_usec() - document->seen_usec : 0;
}

/* ---- reading ---- */

static int refuse(struct failure *failure, const char *what)
{
        return failure_set(failure, -EINVAL, "InvalidHealthDocument", "%s", what);
}

static int check_conditions(json_object *conditions, struct failure *failure)
{
        for (size_t i = 0; i < json_object_array_length(conditions); i++) {
                json_object *condition = json_object_array_get_idx(conditions, i);

                if (!json_string(condition, "type") || !json_string(condition, "status") ||
                    !json_string(condition, "reason"))
                        return refuse(failure, "a condition has no type, status or reason");
        }
        return 0;
}

/* The boot id goes into a header field, so it has to look like one. */
static bool is_boot_id(const char *text)
{
        return text && strlen(text) <= 36 && text[strspn(text, "0123456789abcdef-")] == '\0';
}

static int check_document(json_object *json, uint64_t *ret_valid_for_usec, struct failure *failure)
{
        json_object *conditions = json_member(json, "conditions", json_type_array);
        const char *valid_for = json_string(json, "validFor");

        if (!json_string(json, "status") || !conditions)
                return refuse(failure, "\"status\" or \"conditions\" is missing");
        if (!is_boot_id(json_string(json, "bootId")) || json_integer(json, "sequence", -1) < 0)
                return refuse(failure, "\"bootId\" or \"sequence\" is missing or of another form");
        if (!valid_for || duration_parse(valid_for, ret_valid_for_usec) < 0 || *ret_valid_for_usec == 0)
                return refuse(failure, "\"validFor\" is no duration above zero");
        return check_conditions(conditions, failure);
}

static int make_view(json_object *json, struct body *body, const char *mark, struct health_view *ret)
{
        if (!body)
                return -ENOMEM;
        *ret = (struct health_view){ .json = json_object_get(json),
                                     .body = body,
                                     .status = json_string(json, "status") };
        (void)snprintf(ret->etag, sizeof(ret->etag), "W/\"%s-%" PRIi64 "%s\"", json_string(json, "bootId"),
                       json_integer(json, "sequence", 0), mark);
        return 0;
}

/* The gateway may start long after the agent died, and it must not give that document a new life. From then
 * on the clock that people set has no say. */
static uint64_t first_seen_usec(json_object *json)
{
        const char *text = json_string(json, "generatedAt");
        uint64_t now = now_realtime_usec(), boot = now_boottime_usec(), generated, age;

        if (!text || timestamp_parse(text, &generated) < 0 || generated > now)
                return boot;
        age = now - generated;
        return age < boot ? boot - age : 0;
}

static int read_document(struct health_document *document, struct failure *failure)
{
        /* They are in the text, from which they can be had again; as a tree they take ten times the room. */
        struct json_part parts[] = {
                { .key = "capabilities" }, { .key = "checks" }, { .key = "timers" }, { .key = "versions" }, {}
        };
        _cleanup_json_ json_object *json = NULL;
        _cleanup_free_ char *text = NULL;
        struct body *known = document->fresh.body;
        struct health_view view;
        uint64_t valid_for = 0;
        size_t size;
        int r;

        r = file_read(document->json_path, HEALTH_DOCUMENT_MAX, &text, &size);
        if (r < 0)
                return failure_set(failure, r, "HealthDocumentUnreadable", "%s", strerror(-r));
        if (known && known->size == size && memcmp(known->data, text, size) == 0)
                return 0;
        r = json_parse_parts(text, size, parts, &json, failure);
        if (r < 0)
                return r;
        r = check_document(json, &valid_for, failure);
        if (r < 0)
                return r;
        r = make_view(json, body_new(text, size), "", &view);
        if (r < 0)
                return r;

        document->seen_usec = document->fresh.json ? now_boottime_usec() : first_seen_usec(json);
        document->valid_for_usec = valid_for;
        view_clear(&document->fresh);
        document->fresh = view;
        return 0;
}

/* ---- staleness ---- */

static int become_stale(struct health_document *document)
{
        const char *status = json_string(document->fresh.json, "status");
        _cleanup_json_ json_object *whole = NULL, *json = NULL;
        const struct body *body = document->fresh.body;
        const char *text;
        int r;

        r = json_parse(body->data, body->size, &whole, NULL);
        if (r < 0)
                return r;
        r = health_make_stale(whole, now_realtime_usec(), &json);
        if (r < 0)
                return r;
        text = json_object_to_json_string_ext(json, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE);
        if (!text)
                return -ENOMEM;
        r = make_view(json, body_new(text, strlen(text)), "-stale", &document->stale);
        if (r < 0)
                return r;
        document->is_stale = true;
        log_warning("The agent is silent: %s was not renewed in time (it said %s); serving Unknown",
                    document->json_path, status);
        return 0;
}

/* Brings the view in line with the document's age, and sets the clock for when it ends. */
static int judge_age(struct health_document *document)
{
        uint64_t end = document->seen_usec + document->valid_for_usec;
        int r;

        if (!document->fresh.json)
                return 0;
        if (end <= now_boottime_usec())
                return document->is_stale ? 0 : become_stale(document);

        if (document->is_stale)
                log_notice("The agent is back: %s is renewed", document->json_path);
        document->is_stale = false;
        view_clear(&document->stale);
        r = sd_event_source_set_time(document->expiry, end);
        return r < 0 ? r : sd_event_source_set_enabled(document->expiry, SD_EVENT_ONESHOT);
}

/* Once for each way in which the file is broken, not for each writing. */
static void note_broken(struct health_document *document, const char *message)
{
        if (message && (!document->broken || strcmp(document->broken, message) != 0))
                log_warning("Cannot read %s: %s", document->json_path, message);
        free(document->broken);
        document->broken = message ? strdup(message) : NULL;
}

static void update(struct health_document *document)
{
        const struct health_view *view = health_document_view(document);
        _cleanup_failure_ failure = {};
        char before[HEALTH_ETAG_SIZE];
        int r;

        (void)snprintf(before, sizeof(before), "%s", view ? view->etag : "");
        r = read_document(document, &failure);
        note_broken(document, r < 0 ? (failure.message ? failure.message : strerror(-r)) : NULL);
        r = judge_age(document);
        if (r < 0)
                (void)log_error(r, "Cannot judge %s", document->json_path);

        view = health_document_view(document);
        if (strcmp(before, view ? view->etag : "") != 0)
                document->changed(document->userdata);
}

static void on_json(void *userdata)
{
        update(userdata);
        resident_memory_release();
}

static int on_expiry(sd_event_source *source, uint64_t usec, void *userdata)
{
        update(userdata);
        return 0;
}

/* Of a page that cannot be read the one before is kept. */
static void read_metrics(struct health_document *document)
{
        _cleanup_free_ char *text = NULL;
        struct file_stamp stamp;
        struct body *body;
        size_t size;

        file_stamp_read(document->metrics_path, &stamp);
        if (file_stamp_same(&stamp, &document->metrics_stamp) ||
            file_read(document->metrics_path, HEALTH_DOCUMENT_MAX, &text, &size) < 0)
                return;
        body = body_new(text, size);
        if (!body)
                return;
        body_unref(document->metrics);
        document->metrics = body;
        document->metrics_stamp = stamp;
}

const struct body *health_document_metrics(struct health_document *document)
{
        if (!health_document_is_fresh(document))
                return NULL;
        read_metrics(document);
        return document->metrics;
}

int health_document_new(sd_event *event, const char *directory, void (*changed)(void *userdata),
                        void *userdata, struct health_document **ret)
{
        _cleanup_(health_document_freep) struct health_document *document = calloc(1, sizeof(*document));
        int r;

        if (!document)
                return -ENOMEM;
        *document = (struct health_document){ .changed = changed, .userdata = userdata };
        document->json_path = path_under(directory, "/health.json");
        document->metrics_path = path_under(directory, "/health.prom");
        if (!document->json_path || !document->metrics_path)
                return -ENOMEM;

        r = sd_event_add_time(event, &document->expiry, CLOCK_BOOTTIME, 0, 1, on_expiry, document);
        if (r < 0)
                return r;
        r = sd_event_source_set_enabled(document->expiry, SD_EVENT_OFF);
        if (r < 0)
                return r;
        /* The agent renames whole files into place, so there is nothing to let settle. */
        r = file_watch_new_whole(event, document->json_path, 0, on_json, document, &document->json_watch);
        if (r < 0)
                return r;
        update(document);
        *ret = TAKE_PTR(document);
        return 0;
}
