/* SPDX-License-Identifier: Apache-2.0 */

#include "withdraw.h"

#include <stdbool.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "agent-config.h"
#include "api-server.h"
#include "command.h"
#include "events.h"
#include "files.h"
#include "kubernetes.h"
#include "log.h"
#include "node-object.h"
#include "own-capability.h"
#include "quantity.h"
#include "timestamp.h"

#define UNIT             "capi-node-agent.service"
#define SYSTEMD          "org.freedesktop.systemd1"
#define BUS_TIMEOUT_USEC (1 * USEC_PER_SEC) /* two questions */
#define DEADLINE_USEC    (7 * USEC_PER_SEC) /* with the bus 9 s: a machine that shuts down waits for this */
#define REQUEST_USEC     (3 * USEC_PER_SEC)
#define RETRY_USEC       (500 * USEC_PER_MSEC)

struct withdrawal {
        sd_event *event;
        struct api_server *server;
        sd_event_source *deadline, *retry;
        struct node_object node;
        bool remove;
        const char *reason;
        char *message;
        char *error; /* why it did not succeed so far */
};

static void withdrawal_clear(struct withdrawal *withdrawal)
{
        sd_event_source_disable_unref(withdrawal->deadline);
        sd_event_source_disable_unref(withdrawal->retry);
        api_server_close(withdrawal->server);
        node_object_clear(&withdrawal->node);
        sd_event_unref(withdrawal->event);
        free(withdrawal->message);
        free(withdrawal->error);
}

/* ---- whether it is only a restart ---- */

static int read_job_type(sd_bus *bus, char **ret)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_free_ char *path = NULL;
        const char *job_path;
        uint32_t job;
        int r;

        r = sd_bus_path_encode("/org/freedesktop/systemd1/unit", UNIT, &path);
        if (r < 0)
                return r;
        r = sd_bus_get_property(bus, SYSTEMD, path, SYSTEMD ".Unit", "Job", NULL, &reply, "(uo)");
        if (r < 0)
                return r;
        r = sd_bus_message_read(reply, "(uo)", &job, &job_path);
        if (r < 0)
                return r;
        if (job == 0)
                return -ENOENT;
        return sd_bus_get_property_string(bus, SYSTEMD, job_path, SYSTEMD ".Job", "JobType", NULL, ret);
}

/* The job of a restart stands while the old process ends. Without an answer it counts as a stop: to say
 * Unknown for a moment is better than "healthy" for ever. A restart after a crash has no job yet, and so it
 * says AgentCrashed. */
static bool is_started_again(void)
{
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_free_ char *type = NULL;

        if (sd_bus_open_system(&bus) < 0 || sd_bus_set_method_call_timeout(bus, BUS_TIMEOUT_USEC) < 0 ||
            read_job_type(bus, &type) < 0)
                return false;
        return strstr(type, "start") != NULL; /* start, restart, try-restart, reload-or-start */
}

/* ---- the requests ---- */

static void read_node(struct withdrawal *withdrawal);

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata)
{
        read_node(userdata);
        return 0;
}

static void give_up(struct withdrawal *withdrawal, const char *reason, const char *message)
{
        free(withdrawal->error);
        if (asprintf(&withdrawal->error, "%s: %s", reason, message) < 0)
                withdrawal->error = NULL;
        (void)sd_event_exit(withdrawal->event, EXIT_UNHEALTHY);
}

static void failed(struct withdrawal *withdrawal, const struct api_answer *answer)
{
        static const bool again[API_OUTCOMES] = {
                [API_UNREACHABLE] = true, [API_TIMEOUT] = true,           [API_CONFLICT] = true,
                [API_GONE] = true,        [API_TOO_MANY_REQUESTS] = true, [API_SERVER_ERROR] = true,
        };
        struct withdrawal *w = withdrawal;

        if (!again[answer->outcome] || sd_event_source_set_time_relative(w->retry, RETRY_USEC) < 0 ||
            sd_event_source_set_enabled(w->retry, SD_EVENT_ONESHOT) < 0) {
                give_up(w, api_outcome_reason(answer->outcome), answer->message);
                return;
        }
        free(w->error);
        if (asprintf(&w->error, "%s: %s", api_outcome_reason(answer->outcome), answer->message) < 0)
                w->error = NULL;
}

static bool is_transition(const struct withdrawal *withdrawal)
{
        for (size_t i = 0; i < withdrawal->node.count; i++)
                if (withdrawal->node.conditions[i].own &&
                    strcmp(withdrawal->node.conditions[i].status, "Unknown") != 0)
                        return true;
        return false;
}

/* The conditions are withdrawn, which is what counts; and an Event of this name that is there already
 * (AlreadyExists) has told it within the hour. */
static void on_told(const struct api_answer *answer, void *userdata)
{
        struct withdrawal *withdrawal = userdata;

        (void)sd_event_exit(withdrawal->event, EXIT_GOOD);
}

/* One Event for all conditions, under a name that is the same each time: an agent in a crash loop must not
 * fill etcd, and this process remembers nothing. */
static int tell(struct withdrawal *withdrawal)
{
        const char *node = api_server_node(withdrawal->server);
        const bool crashed = strcmp(withdrawal->reason, "AgentCrashed") == 0;
        _cleanup_json_ json_object *body = NULL;
        _cleanup_free_ char *name = NULL;
        uint64_t now = now_realtime_usec();
        int r;

        if (asprintf(&name, "%s.capi-node-agent-%s", node, crashed ? "crashed" : "stopped") < 0) {
                name = NULL;
                return -ENOMEM;
        }
        r = event_write(&(struct event){ .name = name,
                                         .reason = (char *)withdrawal->reason,
                                         .message = withdrawal->message,
                                         .first_usec = now,
                                         .last_usec = now,
                                         .count = 1 },
                        node, withdrawal->node.uid, &body);
        if (r < 0)
                return r;
        return api_server_send(withdrawal->server,
                               &(struct api_request){ .method = "POST",
                                                      .path = "/api/v1/namespaces/default/events",
                                                      .content_type = "application/json",
                                                      .body = body,
                                                      .timeout_usec = REQUEST_USEC },
                               on_told, withdrawal);
}

static void on_applied(const struct api_answer *answer, void *userdata)
{
        struct withdrawal *withdrawal = userdata;

        if (answer->outcome != API_OK) {
                failed(withdrawal, answer);
                return;
        }
        if (!withdrawal->remove && is_transition(withdrawal) && tell(withdrawal) >= 0)
                return;
        (void)sd_event_exit(withdrawal->event, EXIT_GOOD);
}

static int apply(struct withdrawal *withdrawal)
{
        _cleanup_json_ json_object *conditions = NULL, *body = NULL;
        _cleanup_free_ char *path = NULL;
        uint64_t now = now_realtime_usec();
        int r;

        if (!withdrawal->remove) {
                r = node_object_unknown(&withdrawal->node, withdrawal->reason, withdrawal->message, now,
                                        &conditions);
                if (r < 0)
                        return r;
        }
        /* The gateway goes on without the agent, and its address holds. */
        r = node_object_apply(&withdrawal->node, api_server_node(withdrawal->server), conditions,
                              withdrawal->remove ? NULL : withdrawal->node.gateway, now, &body);
        if (r < 0)
                return r;
        if (asprintf(&path, "/api/v1/nodes/%s/status?fieldManager=" NODE_FIELD_MANAGER "&force=true",
                     api_server_node(withdrawal->server)) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        return api_server_send(withdrawal->server,
                               &(struct api_request){ .method = "PATCH",
                                                      .path = path,
                                                      .content_type = "application/apply-patch+yaml",
                                                      .body = body,
                                                      .timeout_usec = REQUEST_USEC },
                               on_applied, withdrawal);
}

static void on_read(const struct api_answer *answer, void *userdata)
{
        struct withdrawal *withdrawal = userdata;
        _cleanup_failure_ failure = {};
        int r;

        if (answer->outcome == API_NOT_FOUND) { /* the Node is gone, and our conditions with it */
                (void)sd_event_exit(withdrawal->event, EXIT_GOOD);
                return;
        }
        if (answer->outcome != API_OK) {
                failed(withdrawal, answer);
                return;
        }
        node_object_clear(&withdrawal->node);
        r = node_object_parse(answer->object, &withdrawal->node, &failure);
        if (r >= 0 && !node_object_owns_any(&withdrawal->node)) {
                (void)sd_event_exit(withdrawal->event, EXIT_GOOD);
                return;
        }
        if (r >= 0)
                r = apply(withdrawal);
        if (r < 0)
                give_up(withdrawal, failure.reason ?: "AgentOutOfOrder", failure.message ?: strerror(-r));
}

static void read_node(struct withdrawal *withdrawal)
{
        _cleanup_free_ char *path = NULL;
        int r = -ENOMEM;

        if (asprintf(&path, "/api/v1/nodes/%s", api_server_node(withdrawal->server)) < 0)
                path = NULL;
        if (path)
                r = api_server_send(withdrawal->server,
                                    &(struct api_request){
                                            .method = "GET", .path = path, .timeout_usec = REQUEST_USEC },
                                    on_read, withdrawal);
        if (r < 0)
                give_up(withdrawal, "AgentOutOfOrder", strerror(-r));
}

/* ---- the whole ---- */

static int on_deadline(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct withdrawal *withdrawal = userdata;

        return sd_event_exit(withdrawal->event, EXIT_UNHEALTHY);
}

/* The agent's kubeconfig; of an agent.json that is not good the default, as in the agent. */
static int connect_server(struct withdrawal *withdrawal, const char *root, struct failure *failure)
{
        _cleanup_free_ char *path = path_under(root, "/etc/capi-node-agent/agent.json");
        struct agent_config *fallback = NULL, *config;
        struct own_file file = {};
        int r;

        if (!path)
                return -ENOMEM;
        r = agent_config_default(&fallback);
        if (r < 0)
                return r;
        (void)own_file_load(&agent_config_type, path, &file, NULL);
        config = file.config ?: fallback;
        r = api_server_open(withdrawal->event, root, config->kubernetes.kubeconfig, &withdrawal->server,
                            failure);
        if (r == -ENOENT)
                (void)failure_set(failure, r, "KubeconfigUnreadable", "there is no %s",
                                  config->kubernetes.kubeconfig);
        own_file_clear(&agent_config_type, &file);
        config_free(&agent_config_type, fallback);
        return r;
}

static int run(struct withdrawal *withdrawal, const char *root)
{
        _cleanup_failure_ failure = {};
        int r;

        r = sd_event_new(&withdrawal->event);
        if (r >= 0)
                r = connect_server(withdrawal, root, &failure);
        if (r >= 0)
                r = sd_event_add_time_relative(withdrawal->event, &withdrawal->deadline, CLOCK_MONOTONIC,
                                               DEADLINE_USEC, 0, on_deadline, withdrawal);
        if (r >= 0)
                r = sd_event_add_time(withdrawal->event, &withdrawal->retry, CLOCK_MONOTONIC, UINT64_MAX, 0,
                                      on_retry, withdrawal);
        if (r < 0) {
                log_message(LOG_ERR, MESSAGE_PUBLISHING_FAILS,
                            "Cannot withdraw the conditions of this node: %s",
                            failure.message ?: strerror(-r));
                return EXIT_UNHEALTHY;
        }
        read_node(withdrawal);
        r = sd_event_loop(withdrawal->event);
        if (r != EXIT_GOOD)
                log_message(LOG_ERR, MESSAGE_PUBLISHING_FAILS,
                            "Cannot withdraw the conditions of Node %s: %s",
                            api_server_node(withdrawal->server), withdrawal->error ?: "no answer in time");
        return r < 0 ? EXIT_UNHEALTHY : r;
}

static char *mark_path(const char *root)
{
        return path_under(root, "/var/lib/capi-node-agent/" KUBERNETES_MARK);
}

int withdraw_to_unknown(const char *root)
{
        _cleanup_(withdrawal_clear) struct withdrawal withdrawal = { .reason = "AgentStopped" };
        _cleanup_free_ char *mark = mark_path(root);
        const char *result = getenv("SERVICE_RESULT"); /* systemd.exec(5) */
        int r;

        if (!mark)
                return EXIT_UNHEALTHY;
        if (access(mark, F_OK) < 0 || is_started_again())
                return EXIT_GOOD;
        if (result && strcmp(result, "success") != 0)
                withdrawal.reason = "AgentCrashed";
        if (asprintf(&withdrawal.message,
                     "%s ended (%s); nobody looks after this condition. On the node: "
                     "journalctl -u " UNIT,
                     UNIT, result ?: "by hand") < 0) {
                withdrawal.message = NULL;
                return EXIT_UNHEALTHY;
        }
        r = run(&withdrawal, root);
        if (r == EXIT_GOOD)
                log_message(LOG_NOTICE, MESSAGE_WITHDRAWN, "The conditions of Node %s are Unknown now: %s",
                            api_server_node(withdrawal.server), withdrawal.reason);
        return r;
}

int withdraw_undo(const char *root)
{
        _cleanup_(withdrawal_clear) struct withdrawal withdrawal = { .remove = true };
        _cleanup_free_ char *mark = mark_path(root);
        int r;

        if (!mark)
                return EXIT_UNHEALTHY;
        if (access(mark, F_OK) < 0)
                return EXIT_GOOD;
        r = run(&withdrawal, root);
        if (r == EXIT_GOOD && unlink(mark) < 0)
                r = EXIT_UNHEALTHY;
        return r;
}
