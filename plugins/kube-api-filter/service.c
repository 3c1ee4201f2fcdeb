/* SPDX-License-Identifier: Apache-2.0 */

#include "service.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "endpoint.h"
#include "files.h"
#include "log.h"
#include "quantity.h"
#include "timestamp.h"

#define TICK_SOON_USEC     USEC_PER_SEC        /* while something is to be proven */
#define TICK_USEC          (10 * USEC_PER_SEC) /* else: looks whether a list's sources changed */
#define PROBE_SECONDS      10
#define PROBE_PAUSE_USEC   (2 * USEC_PER_SEC)
#define LOOK_UP_SECONDS    30
#define LOOK_UP_PAUSE_USEC USEC_PER_MIN
#define OBSERVE_PAUSE_USEC USEC_PER_MIN
#define REPAIR_PAUSE_USEC  (5 * USEC_PER_SEC)

static int replace(char **text, const char *value)
{
        char *copy = value ? strdup(value) : NULL;

        if (value && !copy)
                return -ENOMEM;
        free(*text);
        *text = copy;
        return 0;
}

int service_open(struct plugin_context *ctx, struct service **ret, struct failure *failure)
{
        _cleanup_free_ char *path = NULL;
        _cleanup_close_ int lock = -EBADF;
        struct service *service;
        int r;

        r = directory_make(ctx->state_dir, 0700);
        if (r < 0)
                return failure_set(failure, r, "StateNotWritable", "cannot make %s: %s", ctx->state_dir,
                                   strerror(-r));
        if (asprintf(&path, "%s/lock", ctx->state_dir) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (lock < 0)
                return failure_set(failure, -errno, "StateNotWritable", "cannot open %s: %s", path,
                                   strerror(errno));
        if (flock(lock, LOCK_EX | LOCK_NB) < 0)
                return failure_set(failure, -EBUSY, "AnotherProcess", "another process has %s", path);
        service = calloc(1, sizeof(*service));
        if (!service)
                return -ENOMEM;
        r = filter_open(ctx->state_dir, &service->filter, failure);
        if (r < 0) {
                free(service);
                return r;
        }
        service->ctx = ctx;
        service->lock = TAKE_FD(lock);
        ctx->userdata = *ret = service;
        return 0;
}

static void free_endpoint(struct service *service)
{
        if (service->endpoint)
                endpoint_clear(service->endpoint);
        free(service->endpoint);
        service->endpoint = NULL;
}

void service_close(struct plugin_context *ctx)
{
        struct service *service = ctx->userdata;

        sd_event_source_disable_unref(service->tick);
        sd_event_source_disable_unref(service->repair_later);
        file_watch_free(service->request_watch);
        child_free(service->probe);
        child_free(service->look_up);
        free_endpoint(service);
        monitor_free(service->monitor);
        filter_free(service->filter);
        closep(&service->lock);
        free(service->answer);
        free(service->refusal);
        free(service->missing);
        free(service);
        ctx->userdata = NULL;
}

/* Around everything that changes the table. */
static void pause_monitor(struct service *service)
{
        if (service->monitor)
                (void)monitor_pause(service->monitor);
}

static void resume_monitor(struct service *service)
{
        if (service->monitor && monitor_resume(service->monitor) < 0)
                log_warning(
                        "Cannot follow nftables' notifications; a change by others is not repaired at once");
}

static int want(struct service *service, const struct filter_config *config, struct failure *failure)
{
        _cleanup_(filter_list_unrefp) struct filter_list *list = NULL;
        int r;

        r = sources_collect(service->ctx->root, config, &service->filter->state.names, &list, failure);
        if (r < 0)
                return r;
        pause_monitor(service);
        r = filter_want(service->filter, list, failure);
        resume_monitor(service);
        return r;
}

static int print_plan(struct plugin_context *ctx, const struct filter_config *config, struct failure *failure)
{
        _cleanup_(filter_list_unrefp) struct filter_list *list = NULL;
        _cleanup_(state_clear) struct filter_state state = {};
        int r;

        r = state_load(ctx->state_dir, &state);
        if (r >= 0)
                r = sources_collect(ctx->root, config, &state.names, &list, failure);
        if (r < 0)
                return r;
        printf("would %s %zu IPv4 and %zu IPv6 ranges on %zu port(s)\n",
               list->audit ? "count by" : "let in only", filter_list_count(list, IP_V4),
               filter_list_count(list, IP_V6), list->n_ports);
        return 0;
}

int service_apply(struct plugin_context *ctx, const void *config, struct failure *failure)
{
        struct service *service = ctx->userdata;
        int r;

        if (ctx->dry_run)
                return print_plan(ctx, config, failure);
        if (!service) {
                r = service_open(ctx, &service, failure);
                if (r < 0)
                        return r;
        }
        return want(service, config, failure);
}

int service_undo(struct plugin_context *ctx, struct failure *failure)
{
        struct service *service = ctx->userdata;

        if (service && service->monitor)
                service->monitor = monitor_free(service->monitor);
        return filter_remove(ctx->state_dir, failure);
}

static void set_ready_in_force(struct service *service)
{
        struct plugin_context *ctx = service->ctx;
        const struct filter_list *list = service->filter->current ? service->filter->current->list : NULL;

        if (list && list->audit)
                plugin_set_condition(ctx, CONDITION_READY, CONDITION_TRUE, "OnlyCounting",
                                     "mode is audit: sources that are on no list are counted and let in");
        else
                plugin_set_condition(ctx, CONDITION_READY, CONDITION_TRUE, "ListInForce",
                                     "only listed sources are let in: %zu IPv4 and %zu IPv6 ranges",
                                     list ? filter_list_count(list, IP_V4) : 0,
                                     list ? filter_list_count(list, IP_V6) : 0);
}

static const char *in_force(const struct service *service)
{
        return service->filter->state.confirmed[0] ? "the list before is in force" : "nobody is shut out yet";
}

static void set_ready(struct service *service)
{
        struct plugin_context *ctx = service->ctx;
        const struct filter_state *state = &service->filter->state;

        if (state->disabled_until_usec > now_boottime_usec()) {
                plugin_set_condition(
                        ctx, CONDITION_READY, CONDITION_FALSE, "SwitchedOff",
                        "everyone is let in, by command; `capi-node kube-api-filter enable` ends it");
                return;
        }
        if (service->fighting) {
                plugin_set_condition(ctx, CONDITION_READY, CONDITION_FALSE, "AnotherWriter",
                                     "%s keeps changing the table capi_node_agent; stop it from doing so",
                                     service->writer);
                return;
        }
        switch (filter_phase(service->filter)) {
        case FILTER_CONFIRMED:
                set_ready_in_force(service);
                break;
        case FILTER_TRIAL:
                plugin_set_condition(ctx, CONDITION_READY, CONDITION_FALSE, "AwaitingConfirmation",
                                     "the new list is on trial: %s%s",
                                     service->missing ? "not heard of yet: " : "",
                                     service->missing  ? service->missing
                                     : service->answer ? service->answer
                                                       : "the API was not asked yet");
                break;
        case FILTER_REJECTED:
                plugin_set_condition(ctx, CONDITION_READY, CONDITION_FALSE, "RolledBack",
                                     "the new list was taken back: %s; %s; change it, or `capi-node "
                                     "kube-api-filter apply`",
                                     state->rejected_because ? state->rejected_because : "not confirmed",
                                     in_force(service));
                break;
        case FILTER_WANTED:
                plugin_set_condition(ctx, CONDITION_READY, CONDITION_FALSE,
                                     service->refusal ? "WouldCutOff" : "AwaitingAPI", "%s; %s",
                                     service->refusal  ? service->refusal
                                     : service->answer ? service->answer
                                                       : "the API has not answered yet",
                                     in_force(service));
                break;
        }
}

static void try(struct service *service)
{
        _cleanup_failure_ failure = {};
        int r;

        pause_monitor(service);
        r = filter_try(service->filter, service->config->confirm_usec, service->config->force, &failure);
        resume_monitor(service);
        (void)replace(&service->refusal, r < 0 && failure.message ? failure.message : NULL);
        if (r < 0 && r != -EPERM)
                log_message(LOG_ERR, MESSAGE_APPLY_FAILED, "%s",
                            failure.message ? failure.message : strerror(-r));
}

static void confirm(struct service *service)
{
        char missing[CIDR_TEXT_SIZE] = "";
        _cleanup_failure_ failure = {};
        int r;

        if (!filter_witnesses_back(service->filter, missing)) {
                (void)replace(&service->missing, missing);
                return;
        }
        (void)replace(&service->missing, NULL);
        pause_monitor(service);
        r = filter_confirm(service->filter, &failure);
        resume_monitor(service);
        if (r < 0)
                log_message(LOG_ERR, MESSAGE_APPLY_FAILED, "%s",
                            failure.message ? failure.message : strerror(-r));
}

/* Either starts the trial or proves it. */
static void on_answer(const char *output, void *userdata)
{
        struct service *service = userdata;
        char line[256];

        (void)snprintf(line, sizeof(line), "%.*s", (int)strcspn(output, "\n"), output);
        (void)replace(&service->answer, line[0] ? line : "the API did not answer in time");
        service->probe = child_free(service->probe);
        free_endpoint(service);
        service->next_probe_usec = now_boottime_usec() + PROBE_PAUSE_USEC;
        if (strcmp(line, "answered") == 0) {
                if (filter_phase(service->filter) == FILTER_WANTED)
                        try(service);
                else if (filter_phase(service->filter) == FILTER_TRIAL)
                        confirm(service);
        }
        set_ready(service);
        plugin_touch_report(service->ctx);
}

static void work_probe(void *userdata, int fd)
{
        const struct service *service = userdata;

        endpoint_ask(service->endpoint, fd);
}

static int probe(struct service *service)
{
        _cleanup_failure_ failure = {};
        int r;

        if (service->probe || now_boottime_usec() < service->next_probe_usec)
                return 0;
        service->endpoint = calloc(1, sizeof(*service->endpoint));
        if (!service->endpoint)
                return -ENOMEM;
        r = endpoint_load(service->ctx->root, service->config->kubeconfig, service->endpoint, &failure);
        if (r < 0) {
                free_endpoint(service);
                service->next_probe_usec = now_boottime_usec() + PROBE_PAUSE_USEC;
                return replace(&service->answer,
                               failure.message ? failure.message : "this node has not joined yet");
        }
        return child_start(service->ctx->event, PROBE_SECONDS, work_probe, on_answer, service,
                           &service->probe);
}

static void on_names(const char *output, void *userdata)
{
        struct service *service = userdata;
        int r;

        service->look_up = child_free(service->look_up);
        service->next_look_up_usec = now_boottime_usec() + LOOK_UP_PAUSE_USEC;
        r = names_take(&service->filter->state.names, output);
        if (r > 0)
                r = state_save(service->ctx->state_dir, &service->filter->state);
        if (r < 0)
                (void)log_error(r, "Cannot keep the addresses of the management side's names");
        service->inputs[0] = '\0'; /* so that the next tick makes the list anew */
}

static void work_names(void *userdata, int fd)
{
        const struct service *service = userdata;
        const struct config_strings *management = &service->config->management;
        struct cidr cidr;

        for (size_t i = 0; i < management->count; i++)
                if (cidr_parse(management->items[i], &cidr) < 0)
                        names_look_up((const char *const[]){ management->items[i] }, 1, fd);
}

static int look_up(struct service *service)
{
        const struct config_strings *management = &service->config->management;
        struct cidr cidr;
        bool any = false;

        if (service->look_up || now_boottime_usec() < service->next_look_up_usec)
                return 0;
        for (size_t i = 0; i < management->count; i++)
                any = any || cidr_parse(management->items[i], &cidr) < 0;
        if (!any)
                return 0;
        return child_start(service->ctx->event, LOOK_UP_SECONDS, work_names, on_names, service,
                           &service->look_up);
}

static int add_file(struct hasher *hasher, const char *root, const char *name)
{
        _cleanup_free_ char *path = path_under(root, name);
        struct stat st = {};
        int r;

        if (!path)
                return -ENOMEM;
        (void)stat(path, &st);
        r = hasher_add(hasher, &st.st_mtim, sizeof(st.st_mtim));
        if (r >= 0)
                r = hasher_add(hasher, &st.st_ino, sizeof(st.st_ino));
        return r < 0 ? r : hasher_add(hasher, &st.st_size, sizeof(st.st_size));
}

/* Of all that sources_collect looks at beside the configuration: cheaper than making the list. */
static int digest_inputs(const struct service *service, char ret[static SHA256_TEXT_SIZE])
{
        const char *const files[] = { "/etc/kubernetes/manifests/kube-apiserver.yaml",
                                      "/etc/kubernetes/manifests/kube-controller-manager.yaml",
                                      service->config->kubeconfig };
        _cleanup_(hasher_freep) struct hasher *hasher = NULL;
        _cleanup_node_networks_ networks = {};
        uint8_t digest[SHA256_SIZE];
        int r;

        r = hasher_new(&hasher);
        for (size_t i = 0; r >= 0 && i < ELEMENTS(files); i++)
                r = add_file(hasher, service->ctx->root, files[i]);
        for (size_t i = 0; r >= 0 && i < service->config->allow_files.count; i++)
                r = add_file(hasher, service->ctx->root, service->config->allow_files.items[i]);
        if (r >= 0)
                r = node_networks_read(&networks);
        for (size_t f = 0; r >= 0 && f < IP_FAMILIES; f++)
                for (size_t i = 0; r >= 0 && i < networks.networks[f].count; i++)
                        r = hasher_add(hasher, &networks.networks[f].items[i], sizeof(struct cidr_range));
        if (r >= 0)
                r = hasher_finish(hasher, digest);
        if (r >= 0)
                digest_format(digest, ret);
        return r;
}

/* The node got an address, kubeadm wrote its files, a name moved: the list follows. */
static void follow_inputs(struct service *service)
{
        char inputs[SHA256_TEXT_SIZE];
        _cleanup_failure_ failure = {};
        int r;

        if (digest_inputs(service, inputs) < 0 || strcmp(inputs, service->inputs) == 0)
                return;
        r = want(service, service->config, &failure);
        if (r < 0)
                log_message(LOG_ERR, MESSAGE_APPLY_FAILED, "%s",
                            failure.message ? failure.message : strerror(-r));
        memcpy(service->inputs, inputs, sizeof(inputs));
}

static void expire_trial(struct service *service)
{
        char because[512];
        _cleanup_failure_ failure = {};
        int r;

        if (!service->filter->state.candidate[0] ||
            now_boottime_usec() < service->filter->state.deadline_usec)
                return;
        (void)snprintf(because, sizeof(because), "not confirmed in time: %s%.300s",
                       service->missing ? "not heard of since: " : "",
                       service->missing  ? service->missing
                       : service->answer ? service->answer
                                         : "the API did not answer");
        pause_monitor(service);
        r = filter_rollback(service->filter, because, &failure);
        resume_monitor(service);
        log_message(LOG_WARNING, MESSAGE_APPLY_FAILED, "%s",
                    r < 0 && failure.message ? failure.message : because);
}

static void observe(struct service *service)
{
        struct table_elements sources[IP_FAMILIES] = {};
        _cleanup_node_networks_ networks = {};
        uint64_t now = now_boottime_usec();
        char name[SET_NAME_SIZE];
        int r;

        if (now < service->next_observation_usec)
                return;
        service->next_observation_usec = now + OBSERVE_PAUSE_USEC;
        r = node_networks_read(&networks);
        for (enum ip_family f = 0; r >= 0 && f < IP_FAMILIES; f++)
                r = table_read_elements(service->filter->netlink, family_suffix(RULESET_SOURCES, f, name), f,
                                        &sources[f]);
        if (r >= 0)
                service->effectiveness =
                        effectiveness_judge(sources, &networks, now - service->observing_since_usec);
        for (size_t f = 0; f < IP_FAMILIES; f++)
                table_elements_clear(&sources[f]);
        switch (service->effectiveness) {
        case EFFECTIVENESS_UNKNOWN:
                plugin_set_condition(
                        service->ctx, CONDITION_EFFECTIVE, CONDITION_UNKNOWN, "TooFewConnections",
                        "too few connections were seen to tell whether clients' addresses arrive");
                break;
        case EFFECTIVENESS_HIDDEN:
                plugin_set_condition(
                        service->ctx, CONDITION_EFFECTIVE, CONDITION_FALSE, "ClientAddressHidden",
                        "every connection comes from a few addresses of this node's own networks, as "
                        "behind Octavia's amphora: this filter then filters nothing; use the load "
                        "balancer's allowed_cidrs (OpenStackCluster: apiServerLoadBalancer.allowedCIDRs)");
                break;
        case EFFECTIVENESS_SEEN:
                plugin_set_condition(service->ctx, CONDITION_EFFECTIVE, CONDITION_TRUE, "ClientAddressesSeen",
                                     "connections arrive with their clients' addresses");
                break;
        }
}

static bool proving(const struct service *service)
{
        enum filter_phase phase = filter_phase(service->filter);

        return phase == FILTER_WANTED || phase == FILTER_TRIAL;
}

static int on_tick(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct service *service = userdata;
        int r;

        follow_inputs(service);
        expire_trial(service);
        r = look_up(service);
        if (r >= 0 && proving(service))
                r = probe(service);
        if (r < 0)
                (void)log_error(r, "Cannot prove the list");
        if (service->fighting &&
            now_boottime_usec() >
                    service->repair_times_usec[(service->n_repairs - 1) % REPAIRS_MAX] + USEC_PER_MIN)
                service->fighting = false;
        observe(service);
        set_ready(service);
        r = sd_event_source_set_time_relative(source, proving(service) ? TICK_SOON_USEC : TICK_USEC);
        return r < 0 ? r : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int tick_now(struct service *service)
{
        int r;

        r = sd_event_source_set_time_relative(service->tick, 0);
        return r < 0 ? r : sd_event_source_set_enabled(service->tick, SD_EVENT_ONESHOT);
}

static void repair(struct service *service)
{
        uint64_t began = now_boottime_usec();
        _cleanup_failure_ failure = {};
        int r;

        service->repair_times_usec[service->n_repairs++ % REPAIRS_MAX] = began;
        service->filter->state.repairs++;
        pause_monitor(service);
        r = filter_enforce(service->filter, &failure);
        resume_monitor(service);
        service->last_repair_usec = now_boottime_usec() - began;
        if (r < 0)
                log_message(LOG_ERR, MESSAGE_APPLY_FAILED, "Cannot repair the table: %s",
                            failure.message ? failure.message : strerror(-r));
        else
                log_message(LOG_WARNING, MESSAGE_TABLE_REPAIRED,
                            "%s changed the table capi_node_agent; repaired it in %.1f ms", service->writer,
                            (double)service->last_repair_usec / (double)USEC_PER_MSEC);
        set_ready(service);
        plugin_touch_report(service->ctx);
}

static bool is_intact(struct service *service)
{
        _cleanup_table_ table = {};

        return table_read(service->filter->netlink, &table) >= 0 &&
               strcmp(table.fingerprint, service->filter->table.fingerprint) == 0;
}

static int on_repair_later(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct service *service = userdata;

        repair(service);
        return 0;
}

static void on_foreign_change(const char *writer, bool elements, void *userdata)
{
        struct service *service = userdata;
        int enabled = SD_EVENT_OFF;
        uint64_t oldest;

        if (!elements && is_intact(service))
                return;
        (void)snprintf(service->writer, sizeof(service->writer), "%s", writer);
        (void)sd_event_source_get_enabled(service->repair_later, &enabled);
        if (enabled != SD_EVENT_OFF)
                return;
        oldest = service->repair_times_usec[service->n_repairs % REPAIRS_MAX];
        if (service->n_repairs < REPAIRS_MAX || oldest + USEC_PER_MIN < now_boottime_usec()) {
                repair(service);
                return;
        }
        if (!service->fighting)
                log_message(LOG_ERR, MESSAGE_TABLE_REPAIRED,
                            "%s keeps changing the table capi_node_agent; repairing it only every %d s",
                            writer, (int)(REPAIR_PAUSE_USEC / USEC_PER_SEC));
        service->fighting = true;
        (void)sd_event_source_set_time_relative(service->repair_later, REPAIR_PAUSE_USEC);
        (void)sd_event_source_set_enabled(service->repair_later, SD_EVENT_ONESHOT);
        set_ready(service);
}

static int start(struct service *service)
{
        sd_event *event = service->ctx->event;
        int r;

        r = monitor_new(event, on_foreign_change, service, &service->monitor);
        if (r < 0)
                return r;
        r = sd_event_add_time_relative(event, &service->repair_later, CLOCK_BOOTTIME, 0, 0, on_repair_later,
                                       service);
        if (r < 0)
                return r;
        r = sd_event_source_set_enabled(service->repair_later, SD_EVENT_OFF);
        if (r < 0)
                return r;
        r = service_watch_requests(service);
        if (r < 0)
                return r;
        if (filter_phase(service->filter) == FILTER_TRIAL) {
                r = filter_resume(service->filter);
                if (r < 0)
                        return r;
        }
        service->observing_since_usec = now_boottime_usec();
        return sd_event_add_time_relative(event, &service->tick, CLOCK_BOOTTIME, 0, 0, on_tick, service);
}

int service_watch(struct plugin_context *ctx, const void *config)
{
        struct service *service = ctx->userdata;
        int r;

        service->config = config;
        service->next_probe_usec = service->next_look_up_usec = 0;
        (void)replace(&service->refusal, NULL);
        (void)replace(&service->missing, NULL);
        /* The children read the configuration before. */
        service->probe = child_free(service->probe);
        service->look_up = child_free(service->look_up);
        free_endpoint(service);
        r = digest_inputs(service, service->inputs);
        if (r >= 0 && !service->tick)
                r = start(service);
        if (r < 0)
                return r;
        set_ready(service);
        return tick_now(service);
}

static int perform(struct service *service, const struct request *request, struct failure *failure,
                   char **ret_text)
{
        struct filter *filter = service->filter;
        char duration[QUANTITY_SIZE];
        int r;

        switch (request->operation) {
        case OPERATION_APPLY:
                r = filter_retry(filter);
                if (r >= 0 && filter_phase(filter) == FILTER_CONFIRMED)
                        return asprintf(ret_text, "the list is in force already") < 0 ? -ENOMEM : 0;
                if (r >= 0 && filter_phase(filter) != FILTER_TRIAL)
                        r = filter_try(filter, request->usec, request->force, failure);
                if (r < 0)
                        return r;
                return asprintf(ret_text, "on trial for %s; confirm it: capi-node kube-api-filter confirm",
                                duration_format(request->usec, duration)) < 0
                               ? -ENOMEM
                               : 0;
        case OPERATION_CONFIRM:
                r = filter_confirm(filter, failure);
                if (r < 0)
                        return r;
                return asprintf(ret_text, "confirmed") < 0 ? -ENOMEM : 0;
        case OPERATION_ROLLBACK:
                if (!filter->state.candidate[0])
                        return failure_set(failure, -ENOENT, "NothingToConfirm", "no list is on trial");
                r = filter_rollback(filter, "taken back by command", failure);
                if (r < 0)
                        return r;
                return asprintf(ret_text, "rolled back") < 0 ? -ENOMEM : 0;
        case OPERATION_DISABLE:
                r = filter_disable(filter, request->usec, failure);
                if (r < 0)
                        return r;
                return asprintf(ret_text, "everyone is let in for %s",
                                duration_format(request->usec, duration)) < 0
                               ? -ENOMEM
                               : 0;
        case OPERATION_ENABLE:
                r = filter_disable(filter, 0, failure);
                if (r < 0)
                        return r;
                return asprintf(ret_text, "enabled") < 0 ? -ENOMEM : 0;
        }
        return -EINVAL;
}

int service_perform(struct service *service, const struct request *request, char **ret_text)
{
        _cleanup_failure_ failure = {};
        int r;

        pause_monitor(service);
        r = perform(service, request, &failure, ret_text);
        resume_monitor(service);
        if (r < 0)
                *ret_text = failure.message ? TAKE_PTR(failure.message) : strdup(strerror(-r));
        if (service->tick) {
                set_ready(service);
                (void)tick_now(service);
        }
        return r;
}
