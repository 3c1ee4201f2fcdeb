/* SPDX-License-Identifier: Apache-2.0 */

#include "agent.h"

#include <string.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>

#include "agent-config.h"
#include "capability.h"
#include "command.h"
#include "event-loop.h"
#include "file-watch.h"
#include "files.h"
#include "gateway-material.h"
#include "health.h"
#include "kubernetes.h"
#include "log.h"
#include "node-identity.h"
#include "own-capability.h"
#include "publish.h"
#include "quantity.h"
#include "requests.h"
#include "resident-memory.h"
#include "timestamp.h"

#define GATEWAY_UNIT "capi-node-gateway.service"

/* Plugins renew their reports at the same moments; they are taken together. */
#define REPORTS_SETTLE_USEC (10 * USEC_PER_MSEC)

/* The plugins renew their reports at the moment at which the agent wakes to renew the document, which shall
 * hold the new numbers. */
#define GATHER_USEC (200 * USEC_PER_MSEC)

/* Before the bus is there (early boot) the states of units are asked for more often. */
#define BUS_RETRY_USEC (2 * USEC_PER_SEC)

struct agent {
        const char *root;
        char *config_dir, *state_dir, *run_dir, *reports_dir;
        sd_event *event;
        sd_event_source *update_now, *refresh, *gathered, *expiry;
        struct file_watch *config_watch, *reports_watch;

        struct capabilities capabilities;
        struct units *units;
        struct requests *requests;
        struct gateway_material *gateway;
        struct kubernetes *kubernetes;
        struct report_push *push;
        struct own_file own;           /* agent.json; the last good one */
        struct agent_config *fallback; /* what holds without one */
        struct node_identity identity;
        json_object *document;
        bool renew;              /* the document is to be published, whether there is news or not */
        uint64_t published_usec; /* CLOCK_BOOTTIME */
        uint64_t started_usec;   /* CLOCK_REALTIME */
        uint64_t busy_usec;      /* the longest look at everything since then */
        bool bus_missing;
};

static void agent_clear(struct agent *agent)
{
        sd_event_source_disable_unref(agent->update_now);
        sd_event_source_disable_unref(agent->refresh);
        sd_event_source_disable_unref(agent->gathered);
        sd_event_source_disable_unref(agent->expiry);
        file_watch_free(agent->config_watch);
        file_watch_free(agent->reports_watch);
        kubernetes_free(agent->kubernetes);
        report_push_free(agent->push);
        gateway_material_free(agent->gateway);
        units_free(agent->units);
        requests_free(agent->requests);
        capabilities_clear(&agent->capabilities);
        own_file_clear(&agent_config_type, &agent->own);
        config_free(&agent_config_type, agent->fallback);
        node_identity_clear(&agent->identity);
        json_object_put(agent->document);
        sd_event_unref(agent->event);
        free(agent->config_dir);
        free(agent->state_dir);
        free(agent->run_dir);
        free(agent->reports_dir);
}

/* Every event ends here: look again at everything, in this iteration of the loop. */
static void look_again(void *userdata)
{
        struct agent *agent = userdata;

        (void)sd_event_source_set_enabled(agent->update_now, SD_EVENT_ONESHOT);
}

static int update_own(struct agent *agent)
{
        _cleanup_free_ char *path = NULL;
        _cleanup_failure_ failure = {};
        struct own_file file;
        int r;

        if (asprintf(&path, "%s/agent.json", agent->config_dir) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        r = own_file_load(&agent_config_type, path, &file, &failure);
        if (r < 0) {
                r = own_report(&agent->capabilities, "agent", file.desired, agent->own.desired,
                               failure.message ? failure.message : strerror(-r), MESSAGE_CONFIG_REFUSED);
                own_file_clear(&agent_config_type, &file);
                return r;
        }
        own_file_clear(&agent_config_type, &agent->own);
        agent->own = file;
        return own_report(&agent->capabilities, "agent", file.desired, file.desired, NULL, NULL);
}

/* The gateway has its material but does not run: its status line says why (a port that is taken, say). */
static int judge_gateway(struct agent *agent)
{
        const struct unit *unit = units_get(agent->units, GATEWAY_UNIT);
        struct capability *capability = capabilities_find(&agent->capabilities, "gateway");
        char *message;

        if (!unit)
                return -ENOMEM;
        if (!capability || !capability->report || capability->report->last_error ||
            !gateway_material_placed(agent->gateway) || unit->activity != UNIT_RESTARTING)
                return 0;
        if (asprintf(&message, "%s does not stay up%s%s; see journalctl -u %s", GATEWAY_UNIT,
                     unit->status_text ? ": " : "", unit->status_text ? unit->status_text : "",
                     GATEWAY_UNIT) < 0)
                return -ENOMEM;
        capability->report->last_error = message;
        capability->report->last_error_usec = now_realtime_usec();
        return 0;
}

static void start_units(struct agent *agent)
{
        struct unit *gateway = units_get(agent->units, GATEWAY_UNIT);

        for (size_t i = 0; i < agent->capabilities.count; i++) {
                struct capability *capability = &agent->capabilities.items[i];

                if (capability_wants_unit(capability) && capability->unit->activity == UNIT_DOWN)
                        (void)units_start(agent->units, capability->unit);
        }
        if (gateway && gateway_material_placed(agent->gateway) && gateway->activity == UNIT_DOWN)
                (void)units_start(agent->units, gateway);
}

static void refresh_units(struct agent *agent)
{
        int r = units_refresh(agent->units);

        if (r == -ENOTCONN && !agent->bus_missing)
                log_warning("The system bus is not there: units are neither started nor asked for their "
                            "state; trying again");
        if (r >= 0 && agent->bus_missing)
                log_notice("The system bus is there");
        agent->bus_missing = r == -ENOTCONN;
}

static void log_silence(struct agent *agent)
{
        for (size_t i = 0; i < agent->capabilities.count; i++) {
                struct capability *capability = &agent->capabilities.items[i];
                const char *before = capability->distrust;
                _cleanup_free_ char *message = NULL;

                capability->distrust = capability_distrust(capability, now_boottime_usec());
                if (capability->distrust && !before) {
                        (void)capability_state(capability, now_boottime_usec(), &message);
                        log_message(LOG_WARNING, MESSAGE_PLUGIN_SILENT, "%s counts as gone (%s): %s",
                                    capability->name, capability->distrust, message ? message : "");
                } else if (!capability->distrust && before) {
                        log_notice("%s reports again", capability->name);
                }
        }
}

/* Nobody waits for times and numbers: they go out when the document is due to be renewed. */
static bool is_news(const struct agent *agent, json_object *document)
{
        const char *boot = json_string(agent->document, "bootId");

        return agent->renew || !boot || strcmp(boot, json_string(document, "bootId")) != 0 ||
               json_integer(agent->document, "sequence", 0) != json_integer(document, "sequence", 0);
}

static int publish_document(struct agent *agent, const struct health_input *input, json_object *document)
{
        _cleanup_free_ char *metrics = NULL, *text = NULL;
        size_t metrics_size;
        int r;

        r = health_metrics(input, document, &metrics, &metrics_size);
        if (r < 0)
                return r;
        if (asprintf(&text, "%s\n",
                     json_object_to_json_string_ext(document, JSON_C_TO_STRING_PRETTY |
                                                                      JSON_C_TO_STRING_NOSLASHESCAPE)) < 0) {
                text = NULL;
                return -ENOMEM;
        }
        publish(&(struct publication){
                .document = text,
                .document_size = strlen(text),
                .metrics = metrics,
                .metrics_size = metrics_size,
                .run_dir = agent->run_dir,
                .config = agent->own.config ?: agent->fallback,
                .object = document,
                .gateway = gateway_material_address(agent->gateway),
                .awaited = capabilities_awaited(&agent->capabilities, input->boottime_usec),
                .kubernetes = agent->kubernetes,
                .push = agent->push,
        });
        agent->renew = false;
        agent->published_usec = input->boottime_usec;
        (void)sd_notifyf(false, "STATUS=%s, %s", json_string(document, "status"), input->phase);
        return 0;
}

static int update_health(struct agent *agent)
{
        _cleanup_json_ json_object *checks = json_object_new_array(), *families = json_object_new_array(),
                                   *timers = json_object_new_array();
        _cleanup_json_ json_object *document = NULL;
        struct health_input input = {
                .capabilities = &agent->capabilities,
                .previous = agent->document,
                .checks = checks,
                .timers = timers,
                .metrics = families,
                .boottime_usec = now_boottime_usec(),
                .realtime_usec = now_realtime_usec(),
                .started_usec = agent->started_usec,
                .busy_usec = agent->busy_usec,
        };
        int r;

        if (!checks || !families || !timers)
                return -ENOMEM;
        r = node_identity_update(&agent->identity, agent->root);
        if (r >= 0)
                r = kubernetes_report(agent->kubernetes, checks, families);
        if (r >= 0)
                r = requests_describe(&agent->capabilities, agent->units, timers);
        if (r >= 0)
                r = report_push_report(agent->push, checks, families);
        if (r < 0)
                return r;
        input.node = agent->identity.name;
        input.hostname = agent->identity.hostname;
        input.phase = agent->identity.phase;
        r = health_make(&input, &document);
        if (r >= 0 && is_news(agent, document))
                r = publish_document(agent, &input, document);
        if (r < 0)
                return r;
        json_object_put(agent->document);
        agent->document = TAKE_PTR(document);
        return 0;
}

/* When the next plugin will have been silent for too long. */
static int watch_silence(struct agent *agent)
{
        uint64_t expiry = capabilities_expiry(&agent->capabilities, now_boottime_usec());
        int r;

        if (expiry == UINT64_MAX)
                return sd_event_source_set_enabled(agent->expiry, SD_EVENT_OFF);
        r = sd_event_source_set_time(agent->expiry, expiry);
        return r < 0 ? r : sd_event_source_set_enabled(agent->expiry, SD_EVENT_ONESHOT);
}

static int update(struct agent *agent)
{
        int r;

        r = capabilities_scan(&agent->capabilities, agent->units, agent->config_dir, agent->state_dir,
                              agent->reports_dir);
        if (r < 0)
                return log_error(r, "Cannot read the configurations and reports");
        if (!units_known(agent->units))
                refresh_units(agent);
        r = update_own(agent);
        if (r < 0)
                return log_error(r, "Cannot follow agent.json");
        r = gateway_material_update(agent->gateway, &agent->capabilities);
        if (r >= 0)
                r = judge_gateway(agent);
        if (r < 0)
                return log_error(r, "Cannot follow gateway.json");

        requests_serve(agent->requests, &agent->capabilities, agent->units);
        start_units(agent);
        log_silence(agent);
        r = watch_silence(agent);
        if (r >= 0)
                r = update_health(agent);
        return r < 0 ? log_error(r, "Cannot make the health document") : 0;
}

static int on_update_now(sd_event_source *source, void *userdata)
{
        struct agent *agent = userdata;
        uint64_t published_usec = agent->published_usec, began_usec = now_boottime_usec(), busy_usec;

        /* An agent that ends because memory was short once would take its conditions with it: the next event
         * or refresh tries again, and the document grows old visibly meanwhile. */
        (void)update(agent);
        busy_usec = now_boottime_usec() - began_usec;
        if (agent->published_usec != published_usec) {
                agent->busy_usec = 0;
                resident_memory_release();
        }
        if (busy_usec > agent->busy_usec)
                agent->busy_usec = busy_usec;
        return 0;
}

static int on_gathered(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct agent *agent = userdata;

        agent->renew = true;
        look_again(agent);
        return 0;
}

static int gather(struct agent *agent)
{
        int r = sd_event_source_set_time_relative(agent->gathered, GATHER_USEC);

        return r < 0 ? r : sd_event_source_set_enabled(agent->gathered, SD_EVENT_ONESHOT);
}

static int on_refresh(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct agent *agent = userdata;
        int r = 0;

        refresh_units(agent);
        if (!agent->bus_missing || now_boottime_usec() >= agent->published_usec + HEALTH_REFRESH_USEC)
                r = gather(agent);
        else
                look_again(agent);
        if (r >= 0)
                r = sd_event_source_set_time_relative(source, agent->bus_missing ? BUS_RETRY_USEC
                                                                                 : HEALTH_REFRESH_USEC);
        if (r >= 0)
                r = sd_event_source_set_time_accuracy(source, agent->bus_missing ? 1 : HEALTH_SLACK_USEC);
        if (r < 0)
                return r;
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int on_expiry(sd_event_source *source, uint64_t usec, void *userdata)
{
        look_again(userdata);
        return 0;
}

/* What is no news goes out when the document is renewed. */
static void on_reports_changed(void *userdata)
{
        struct agent *agent = userdata;

        if (capabilities_renew(&agent->capabilities, agent->reports_dir))
                look_again(agent);
}

static void on_config_changed(void *userdata)
{
        look_again(userdata);
        refresh_units(userdata);
}

static int on_hangup(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
        on_config_changed(userdata);
        return 0;
}

/* The last document in this boot: transition times and the sequence go on from it. */
static void load_document(struct agent *agent)
{
        _cleanup_free_ char *path = NULL, *text = NULL;
        size_t size;

        if (asprintf(&path, "%s/health.json", agent->run_dir) < 0) {
                path = NULL;
                return;
        }
        if (file_read(path, HEALTH_SIZE_MAX, &text, &size) < 0 ||
            json_parse(text, size, &agent->document, NULL) < 0)
                return;
        if (!json_object_is_type(agent->document, json_type_object)) {
                json_object_put(agent->document);
                agent->document = NULL;
        }
}

static int make_paths(struct agent *agent)
{
        int r;

        agent->config_dir = path_under(agent->root, "/etc/capi-node-agent");
        agent->state_dir = path_under(agent->root, "/var/lib/capi-node-agent");
        agent->run_dir = path_under(agent->root, "/run/capi-node-agent");
        agent->reports_dir = path_under(agent->root, "/run/capi-node-agent/reports");
        if (!agent->config_dir || !agent->state_dir || !agent->run_dir || !agent->reports_dir)
                return -ENOMEM;
        r = directory_make(agent->reports_dir, 0755);
        if (r < 0)
                return log_error(r, "Cannot make %s", agent->reports_dir);
        (void)new_file_sweep(agent->run_dir);
        return 0;
}

static int open_loop(struct agent *agent)
{
        int r;

        r = event_loop_open(on_hangup, agent, &agent->event);
        if (r < 0)
                return r;
        r = event_loop_add_later(agent->event, on_update_now, agent, &agent->update_now);
        if (r < 0)
                return r;
        r = sd_event_add_time(agent->event, &agent->gathered, CLOCK_BOOTTIME, UINT64_MAX, GATHER_USEC / 2,
                              on_gathered, agent);
        if (r < 0)
                return r;
        r = sd_event_add_time(agent->event, &agent->expiry, CLOCK_BOOTTIME, UINT64_MAX, USEC_PER_SEC,
                              on_expiry, agent);
        if (r < 0)
                return r;
        return sd_event_add_time_relative(agent->event, &agent->refresh, CLOCK_BOOTTIME, 0, 1, on_refresh,
                                          agent);
}

static int open_publishers(struct agent *agent)
{
        _cleanup_free_ char *mark = NULL, *directory = NULL;
        int r;

        if (asprintf(&mark, "%s/" KUBERNETES_MARK, agent->state_dir) < 0) {
                mark = NULL;
                return -ENOMEM;
        }
        directory = strndup(mark, (size_t)(strrchr(mark, '/') - mark));
        if (!directory)
                return -ENOMEM;
        r = directory_make(directory, 0700);
        if (r < 0)
                return r;
        r = agent_config_default(&agent->fallback);
        if (r < 0)
                return r;
        r = kubernetes_new(agent->event, agent->root, mark, look_again, agent, &agent->kubernetes);
        if (r < 0)
                return r;
        return report_push_new(agent->event, agent->root, look_again, agent, &agent->push);
}

static int open_parts(struct agent *agent)
{
        _cleanup_free_ char *served = NULL, *material = NULL, *config = NULL, *state = NULL;
        int r;

        if (asprintf(&served, "%s/requests-served.json", agent->run_dir) < 0 ||
            asprintf(&material, "%s/gateway", agent->run_dir) < 0 ||
            asprintf(&config, "%s/gateway.json", agent->config_dir) < 0 ||
            asprintf(&state, "%s/gateway", agent->state_dir) < 0)
                return -ENOMEM;
        r = directory_make(material, 0750);
        if (r < 0)
                return r;
        r = units_new(agent->event, look_again, agent, &agent->units);
        if (r < 0)
                return r;
        r = requests_new(served, &agent->requests);
        if (r < 0)
                return r;
        r = requests_watch(agent->units);
        if (r < 0)
                return r;
        r = gateway_material_new(agent->event, config, state, material,
                                 strcmp(agent->root, "/") == 0 ? GATEWAY_GROUP : NULL, look_again, agent,
                                 &agent->gateway);
        if (r < 0)
                return r;
        r = open_publishers(agent);
        if (r < 0)
                return r;
        r = file_watch_new(agent->event, agent->config_dir, FILE_WATCH_SETTLE_USEC, on_config_changed, agent,
                           &agent->config_watch);
        if (r < 0)
                return r;
        return file_watch_new_whole(agent->event, agent->reports_dir, REPORTS_SETTLE_USEC, on_reports_changed,
                                    agent, &agent->reports_watch);
}

int agent_run(const char *root)
{
        _cleanup_(agent_clear) struct agent agent = { .root = root, .started_usec = now_realtime_usec() };
        int r;

        r = make_paths(&agent);
        if (r >= 0)
                r = open_loop(&agent);
        if (r >= 0)
                r = open_parts(&agent);
        if (r < 0) {
                (void)log_error(r, "Cannot start");
                return EXIT_UNHEALTHY;
        }
        load_document(&agent);
        r = update(&agent);
        if (r < 0)
                return EXIT_UNHEALTHY;
        (void)sd_notify(false, "READY=1");
        r = sd_event_loop(agent.event);
        (void)sd_notify(false, "STOPPING=1");
        if (r < 0) {
                (void)log_error(r, "The event loop failed");
                return EXIT_UNHEALTHY;
        }
        return r;
}
