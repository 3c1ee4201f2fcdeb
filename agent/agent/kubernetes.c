/* SPDX-License-Identifier: Apache-2.0 */

#include "kubernetes.h"

#include <string.h>

#include "api-server.h"
#include "events.h"
#include "file-watch.h"
#include "files.h"
#include "log.h"
#include "metric.h"
#include "node-object.h"
#include "publish-schedule.h"
#include "publish-status.h"
#include "quantity.h"
#include "timestamp.h"
#include "transitions.h"

#define REQUEST_TIMEOUT_USEC (10 * USEC_PER_SEC)
#define BURST                3 /* what fails, what fails for it, and the return are each told at once */

struct kubernetes {
        sd_event *event;
        sd_event_source *timer;
        const char *root;
        char *mark;
        void (*changed)(void *userdata);
        void *userdata;

        bool enabled;
        char *kubeconfig;
        uint64_t heartbeat_usec;
        json_object *document;
        char *gateway;
        bool awaited;  /* a plugin's first report */
        char *essence; /* of what is offered: types, statuses, reasons, annotation */

        struct file_watch *watch; /* of the kubeconfig */
        bool waiting;             /* for it */
        struct api_server *server;
        bool busy;
        struct node_object node; /* as the API server last told it */
        bool node_known;
        struct transitions transitions;
        struct event_queue events;
        char *sending; /* name of the Event under way */
        unsigned sending_count;
        bool marked;

        struct publish_schedule schedule;
        struct publish_status status;
        uint64_t counts[API_OUTCOMES];
};

static void arm(struct kubernetes *kubernetes);

static void disconnect(struct kubernetes *kubernetes)
{
        kubernetes->server = api_server_close(kubernetes->server);
        kubernetes->busy = false;
        kubernetes->node_known = false;
        free(kubernetes->sending);
        kubernetes->sending = NULL;
}

struct kubernetes *kubernetes_free(struct kubernetes *kubernetes)
{
        if (!kubernetes)
                return NULL;
        disconnect(kubernetes);
        sd_event_source_disable_unref(kubernetes->timer);
        file_watch_free(kubernetes->watch);
        node_object_clear(&kubernetes->node);
        event_queue_clear(&kubernetes->events);
        json_object_put(kubernetes->document);
        transitions_clear(&kubernetes->transitions);
        sd_event_unref(kubernetes->event);
        free(kubernetes->mark);
        free(kubernetes->kubeconfig);
        free(kubernetes->gateway);
        free(kubernetes->essence);
        publish_status_clear(&kubernetes->status);
        free(kubernetes);
        return NULL;
}

static json_object *conditions_of(const struct kubernetes *kubernetes)
{
        return kubernetes->enabled ? json_member(kubernetes->document, "conditions", json_type_array) : NULL;
}

/* ---- the mark ---- */

/* Made before the first write: a mark too many costs one look at the Node, one too few leaves conditions
 * behind. */
static int set_mark(struct kubernetes *kubernetes)
{
        const char *node = api_server_node(kubernetes->server);
        int r;

        if (kubernetes->marked)
                return 0;
        r = file_write(kubernetes->mark, node, strlen(node), 0644);
        if (r < 0)
                return log_error(r, "Cannot write %s", kubernetes->mark);
        kubernetes->marked = true;
        return 0;
}

static void drop_mark(struct kubernetes *kubernetes)
{
        if (unlink(kubernetes->mark) < 0 && errno != ENOENT)
                (void)log_error(-errno, "Cannot remove %s", kubernetes->mark);
        kubernetes->marked = false;
}

/* ---- success and failure ---- */

static void failed(struct kubernetes *kubernetes, const char *reason, const char *message,
                   uint64_t backoff_usec, uint64_t retry_after_usec)
{
        schedule_failed(&kubernetes->schedule, now_boottime_usec(), backoff_usec, retry_after_usec,
                        publish_random());
        publish_failed(&kubernetes->status, reason, message);
        kubernetes->changed(kubernetes->userdata);
}

static void failed_with(struct kubernetes *kubernetes, const struct api_answer *answer)
{
        failed(kubernetes, api_outcome_reason(answer->outcome), answer->message,
               api_outcome_backoff_usec(answer->outcome), answer->retry_after_usec);
}

static void succeeded(struct kubernetes *kubernetes)
{
        _cleanup_free_ char *what = NULL;

        if (asprintf(&what, "the conditions of Node %s", api_server_node(kubernetes->server)) < 0)
                what = NULL;
        publish_succeeded(&kubernetes->status, what ?: "");
        if (!kubernetes->enabled) {
                drop_mark(kubernetes);
                kubernetes->status.published = false;
        }
        schedule_succeeded(&kubernetes->schedule, now_boottime_usec());
        kubernetes->changed(kubernetes->userdata);
}

/* Every answer passes here first. */
static void count(struct kubernetes *kubernetes, const struct api_answer *answer)
{
        kubernetes->busy = false;
        kubernetes->counts[answer->outcome]++;
        kubernetes->status.tried_usec = now_realtime_usec();
}

static int send(struct kubernetes *kubernetes, const struct api_request *request, api_done_fn done)
{
        int r = api_server_send(kubernetes->server, request, done, kubernetes);

        if (r < 0)
                failed(kubernetes, api_outcome_reason(API_UNREACHABLE), strerror(-r),
                       api_outcome_backoff_usec(API_UNREACHABLE), 0);
        else
                kubernetes->busy = true;
        return r;
}

/* ---- transitions ---- */

static int note_transitions(struct kubernetes *kubernetes)
{
        if (!kubernetes->node_known)
                return 0;
        return transitions_note(&kubernetes->transitions, &kubernetes->node,
                                api_server_node(kubernetes->server),
                                kubernetes->enabled ? kubernetes->document : NULL,
                                kubernetes->status.failing_usec > 0, &kubernetes->events, now_boottime_usec(),
                                now_realtime_usec());
}

/* ---- reading and writing the Node ---- */

static char *node_path(const struct kubernetes *kubernetes, const char *rest)
{
        char *path;

        return asprintf(&path, "/api/v1/nodes/%s%s", api_server_node(kubernetes->server), rest) < 0 ? NULL
                                                                                                    : path;
}

static int learn_node(struct kubernetes *kubernetes, json_object *object)
{
        _cleanup_failure_ failure = {};
        struct node_object node;
        int r;

        r = node_object_parse(object, &node, &failure);
        if (r < 0) {
                failed(kubernetes, failure.reason ?: api_outcome_reason(API_REFUSED),
                       failure.message ?: strerror(-r), api_outcome_backoff_usec(API_REFUSED), 0);
                return r;
        }
        node_object_clear(&kubernetes->node);
        kubernetes->node = node;
        kubernetes->node_known = true;
        r = transitions_learn(&kubernetes->transitions, &kubernetes->node);
        return r < 0 ? r : note_transitions(kubernetes);
}

static void on_applied(const struct api_answer *answer, void *userdata)
{
        struct kubernetes *kubernetes = userdata;

        count(kubernetes, answer);
        if (answer->outcome != API_OK) {
                /* Gone, changed, or made anew: what we know of it is not to be relied upon. */
                if (answer->outcome == API_NOT_FOUND || answer->outcome == API_CONFLICT ||
                    answer->outcome == API_GONE)
                        kubernetes->node_known = false;
                failed_with(kubernetes, answer);
        } else if (learn_node(kubernetes, answer->object) >= 0) {
                succeeded(kubernetes);
        }
        arm(kubernetes);
}

static int make_apply(const struct kubernetes *kubernetes, json_object **ret)
{
        json_object *conditions = conditions_of(kubernetes);
        _cleanup_json_ json_object *with_awaited = NULL;
        uint64_t now = now_realtime_usec();
        int r;

        if (conditions && kubernetes->awaited) {
                r = node_object_await(&kubernetes->node, conditions, now, &with_awaited);
                if (r < 0)
                        return r;
                conditions = with_awaited;
        }
        return node_object_apply(&kubernetes->node, api_server_node(kubernetes->server), conditions,
                                 kubernetes->enabled ? kubernetes->gateway : NULL, now, ret);
}

static void apply(struct kubernetes *kubernetes)
{
        _cleanup_json_ json_object *body = NULL;
        _cleanup_free_ char *path =
                node_path(kubernetes, "/status?fieldManager=" NODE_FIELD_MANAGER "&force=true");
        int r;

        r = make_apply(kubernetes, &body);
        if (r >= 0 && path)
                r = set_mark(kubernetes);
        if (r < 0 || !path) {
                failed(kubernetes, "AgentOutOfOrder", strerror(path ? -r : ENOMEM), 30 * USEC_PER_SEC, 0);
                return;
        }
        if (send(kubernetes,
                 &(struct api_request){ .method = "PATCH",
                                        .path = path,
                                        .content_type = "application/apply-patch+yaml",
                                        .body = body,
                                        .timeout_usec = REQUEST_TIMEOUT_USEC },
                 on_applied) >= 0)
                schedule_begun(&kubernetes->schedule);
}

static void on_read(const struct api_answer *answer, void *userdata)
{
        struct kubernetes *kubernetes = userdata;

        count(kubernetes, answer);
        if (answer->outcome != API_OK)
                failed_with(kubernetes, answer);
        else if (learn_node(kubernetes, answer->object) >= 0)
                apply(kubernetes);
        arm(kubernetes);
}

static void read_node(struct kubernetes *kubernetes)
{
        _cleanup_free_ char *path = node_path(kubernetes, "");

        if (!path) {
                failed(kubernetes, "AgentOutOfOrder", strerror(ENOMEM), 30 * USEC_PER_SEC, 0);
                return;
        }
        (void)send(kubernetes,
                   &(struct api_request){
                           .method = "GET", .path = path, .timeout_usec = REQUEST_TIMEOUT_USEC },
                   on_read);
}

/* ---- Events ---- */

static void on_event_sent(const struct api_answer *answer, void *userdata)
{
        struct kubernetes *kubernetes = userdata;
        _cleanup_free_ char *name = TAKE_PTR(kubernetes->sending);

        kubernetes->busy = false;
        event_queue_sent(&kubernetes->events, name, kubernetes->sending_count, answer->outcome == API_OK,
                         answer->outcome == API_NOT_FOUND, now_boottime_usec());
        arm(kubernetes);
}

static void send_event(struct kubernetes *kubernetes)
{
        static const char events_path[] = "/api/v1/namespaces/default/events";
        struct event *event = event_queue_take(&kubernetes->events, now_boottime_usec());
        _cleanup_json_ json_object *body = NULL;
        _cleanup_free_ char *path = NULL;
        struct api_request request;

        if (!event)
                return;
        if (asprintf(&path, "%s%s%s", events_path, event->created ? "/" : "",
                     event->created ? event->name : "") < 0)
                path = NULL;
        kubernetes->sending = strdup(event->name);
        kubernetes->sending_count = event->count;
        request = (struct api_request){
                .method = event->created ? "PATCH" : "POST",
                .path = path,
                .content_type = event->created ? "application/merge-patch+json" : "application/json",
                .timeout_usec = REQUEST_TIMEOUT_USEC,
        };
        if (path && kubernetes->sending &&
            event_write(event, api_server_node(kubernetes->server), kubernetes->node.uid, &body) >= 0) {
                request.body = body;
                if (send(kubernetes, &request, on_event_sent) >= 0)
                        return;
        }
        event_queue_sent(&kubernetes->events, event->name, event->count, false, false, now_boottime_usec());
        free(kubernetes->sending);
        kubernetes->sending = NULL;
}

/* ---- the loop ---- */

static int connect_server(struct kubernetes *kubernetes)
{
        _cleanup_failure_ failure = {};
        int r;

        r = api_server_open(kubernetes->event, kubernetes->root, kubernetes->kubeconfig, &kubernetes->server,
                            &failure);
        if (r == -ENOENT) {
                kubernetes->waiting = true;
                return r;
        }
        if (r < 0) {
                failed(kubernetes, failure.reason ?: "CredentialUnreadable", failure.message ?: strerror(-r),
                       api_outcome_backoff_usec(API_REFUSED), 0);
                return r;
        }
        schedule_set_heartbeat(&kubernetes->schedule, kubernetes->heartbeat_usec,
                               api_server_node(kubernetes->server));
        return 0;
}

static bool is_event_time(const struct kubernetes *kubernetes)
{
        return kubernetes->status.published && kubernetes->status.failing_usec == 0 && kubernetes->node_known;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct kubernetes *kubernetes = userdata;

        if (!kubernetes->server && connect_server(kubernetes) < 0) {
                arm(kubernetes);
                return 0;
        }
        if (schedule_due(&kubernetes->schedule) <= now_boottime_usec()) {
                if (kubernetes->node_known)
                        apply(kubernetes);
                else
                        read_node(kubernetes);
        } else if (is_event_time(kubernetes)) {
                send_event(kubernetes);
        }
        arm(kubernetes);
        return 0;
}

static bool is_idle(const struct kubernetes *kubernetes)
{
        return kubernetes->busy || kubernetes->waiting || !kubernetes->document ||
               (!kubernetes->enabled && !kubernetes->marked);
}

static void arm(struct kubernetes *kubernetes)
{
        const bool idle = is_idle(kubernetes);
        uint64_t due = idle ? UINT64_MAX : schedule_due(&kubernetes->schedule), event_due;

        if (!idle && is_event_time(kubernetes)) {
                event_due = event_queue_due(&kubernetes->events);
                due = event_due < due ? event_due : due;
        }
        (void)sd_event_source_set_time(kubernetes->timer, due);
        (void)sd_event_source_set_enabled(kubernetes->timer,
                                          due == UINT64_MAX ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
}

/* A new kubeconfig is tried at once, whatever became of the old one. */
static void on_kubeconfig_changed(void *userdata)
{
        struct kubernetes *kubernetes = userdata;

        disconnect(kubernetes);
        kubernetes->waiting = false;
        kubernetes->schedule.retry_usec = 0;
        schedule_changed(&kubernetes->schedule, now_boottime_usec());
        arm(kubernetes);
        kubernetes->changed(kubernetes->userdata);
}

/* ---- what is offered ---- */

static int replace_text(char **text, const char *with)
{
        char *copy = with ? strdup(with) : NULL;

        if (with && !copy)
                return -ENOMEM;
        free(*text);
        *text = copy;
        return 0;
}

static int take_config(struct kubernetes *kubernetes, const struct kubernetes_config *config)
{
        _cleanup_free_ char *path = NULL;
        int r;

        kubernetes->enabled = config->enabled;
        if (kubernetes->heartbeat_usec != config->heartbeat_usec) {
                kubernetes->heartbeat_usec = config->heartbeat_usec;
                schedule_set_heartbeat(&kubernetes->schedule, config->heartbeat_usec,
                                       kubernetes->server ? api_server_node(kubernetes->server) : "");
        }
        if (kubernetes->kubeconfig && strcmp(kubernetes->kubeconfig, config->kubeconfig) == 0)
                return 0;
        r = replace_text(&kubernetes->kubeconfig, config->kubeconfig);
        if (r < 0)
                return r;
        path = path_under(kubernetes->root, config->kubeconfig);
        if (!path)
                return -ENOMEM;
        kubernetes->watch = file_watch_free(kubernetes->watch);
        disconnect(kubernetes);
        kubernetes->waiting = access(path, F_OK) < 0 && errno == ENOENT;
        if (kubernetes->waiting)
                log_info("Waiting for %s before conditions are published", path);
        kubernetes->schedule.retry_usec = 0;
        schedule_changed(&kubernetes->schedule, now_boottime_usec());
        return file_watch_new(kubernetes->event, path, FILE_WATCH_SETTLE_USEC, on_kubeconfig_changed,
                              kubernetes, &kubernetes->watch);
}

int kubernetes_offer(struct kubernetes *kubernetes, const struct kubernetes_config *config,
                     json_object *document, const char *gateway, bool awaited)
{
        _cleanup_free_ char *essence = NULL;
        int r;

        r = take_config(kubernetes, config);
        if (r >= 0)
                r = replace_text(&kubernetes->gateway, gateway);
        if (r < 0)
                return r;
        json_object_put(kubernetes->document);
        kubernetes->document = json_object_get(document);
        essence = node_conditions_essence(conditions_of(kubernetes), kubernetes->enabled ? gateway : NULL);
        if (!essence)
                return -ENOMEM;
        if (!kubernetes->essence || strcmp(essence, kubernetes->essence) != 0 ||
            (kubernetes->awaited && !awaited)) {
                schedule_changed(&kubernetes->schedule, now_boottime_usec());
                free(kubernetes->essence);
                kubernetes->essence = TAKE_PTR(essence);
        }
        kubernetes->awaited = awaited;
        r = note_transitions(kubernetes);
        arm(kubernetes);
        return r;
}

/* ---- how it goes ---- */

static int add_check(struct kubernetes *kubernetes, json_object *checks)
{
        _cleanup_free_ char *message = NULL;

        if (kubernetes->waiting) {
                if (asprintf(&message, "there is no %s yet: the node has not joined",
                             kubernetes->kubeconfig) < 0)
                        return -ENOMEM;
                return publish_status_check(&kubernetes->status, "WaitingForJoin", message, checks);
        }
        message = kubernetes->status.published
                          ? node_object_describe(&kubernetes->node, conditions_of(kubernetes))
                          : strdup(kubernetes->status.message ?: "about to begin");
        return message ? publish_status_check(&kubernetes->status, "NotPublishedYet", message, checks)
                       : -ENOMEM;
}

static int add_metrics(const struct kubernetes *kubernetes, json_object *metrics)
{
        const char *target = kubernetes->status.target;
        int r = 0;

        r |= publish_status_metrics(&kubernetes->status, metrics);
        for (enum api_outcome outcome = 0; outcome < API_OUTCOMES; outcome++)
                if (kubernetes->counts[outcome] > 0 || outcome == API_OK)
                        r |= publish_status_count(&kubernetes->status, api_outcome_reason(outcome),
                                                  kubernetes->counts[outcome], metrics);
        r |= metric_add(metrics, METRIC_COUNTER, "capi_node_publish_events_total",
                        "Events of transitions that were sent.", (double)kubernetes->events.sent, "target",
                        target, NULL);
        r |= metric_add(metrics, METRIC_COUNTER, "capi_node_publish_events_dropped_total",
                        "Events that were given up, or pushed out by newer ones.",
                        (double)kubernetes->events.dropped, "target", target, NULL);
        return r == 0 ? 0 : -ENOMEM;
}

int kubernetes_report(struct kubernetes *kubernetes, json_object *checks, json_object *metrics)
{
        int r;

        if (!kubernetes->enabled)
                return 0;
        r = add_check(kubernetes, checks);
        return r < 0 ? r : add_metrics(kubernetes, metrics);
}

int kubernetes_new(sd_event *event, const char *root, const char *mark, void (*changed)(void *userdata),
                   void *userdata, struct kubernetes **ret)
{
        _cleanup_(kubernetes_freep) struct kubernetes *kubernetes = calloc(1, sizeof(*kubernetes));
        int r;

        if (!kubernetes)
                return -ENOMEM;
        *kubernetes = (struct kubernetes){
                .event = sd_event_ref(event),
                .root = root,
                .changed = changed,
                .userdata = userdata,
                .schedule = { .batch_usec = SCHEDULE_BATCH_USEC, .burst = BURST },
                .status = { .target = "kubernetes" },
        };
        kubernetes->mark = strdup(mark);
        if (!kubernetes->mark)
                return -ENOMEM;
        kubernetes->marked = access(mark, F_OK) == 0;
        r = sd_event_add_time(event, &kubernetes->timer, CLOCK_BOOTTIME, UINT64_MAX,
                              SCHEDULE_SETTLE_USEC / 10, on_timer, kubernetes);
        if (r < 0)
                return r;
        r = sd_event_source_set_enabled(kubernetes->timer, SD_EVENT_OFF);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(kubernetes);
        return 0;
}
