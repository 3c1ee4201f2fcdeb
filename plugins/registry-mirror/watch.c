/* SPDX-License-Identifier: Apache-2.0 */

#include "watch.h"

#include <string.h>

#include "demotion.h"
#include "files.h"
#include "hosts-file.h"
#include "log.h"
#include "probe-verdict.h"
#include "quantity.h"
#include "report.h"
#include "timestamp.h"
#include "unit-processes.h"

#define RECHECK_USEC (60 * USEC_PER_SEC)
/* When all is as it should be; a change of a file is seen at once. */
#define LOOK_USEC (30 * USEC_PER_MIN)
#define ASK_USEC  (5 * USEC_PER_SEC)

static struct mirror_watch *watch_free(struct mirror_watch *watch)
{
        if (!watch)
                return NULL;
        probes_free(watch->probes);
        http_client_free(watch->http); /* and with it what is under way */
        file_watches_clear(&watch->files);
        sd_event_source_disable_unref(watch->recheck);
        mirror_facts_clear(&watch->facts);
        mirror_plan_clear(&watch->plan);
        free(watch);
        return NULL;
}
DEFINE_CLEANUP(struct mirror_watch *, watch_free)

/* What is left to wait for is a file that changes, and the moment when everybody is asked again. */
bool mirror_watch_rests(const struct plugin_context *ctx)
{
        const struct mirror_watch *watch = ctx->userdata;

        return watch && watch->is_good && !watch->asking && !watch->restart_pending &&
               probes_are_settled(watch->probes) && mirror_is_swept(ctx, &watch->plan);
}

/* Only a containerd that started before our file was there has not read it; at boot that is there first. */
static void look_for_restart(struct mirror_watch *watch)
{
        const struct mirror_facts *facts = &watch->facts;
        _cleanup_free_ char *services = services_directory(watch->ctx->root);
        uint64_t started;

        watch->restart_pending = services && facts->drop_in && facts->containerd.changed_boottime_usec != 0 &&
                                 service_started(services, "containerd.service", &started) >= 0 &&
                                 started < facts->containerd.changed_boottime_usec;
        /* Behind the kubelet's back only when a person said so: pulls under way break, and so do logs. */
        watch->restart_asked =
                watch->restart_pending && (watch->config->allow_restart ||
                                           service_started(services, "kubelet.service", &started) == -ESRCH);
}

/* Nothing is said of the endpoints as long as they are being asked for the first time. */
static void tell_of_endpoints(struct mirror_watch *watch)
{
        const struct standing **standings = calloc(watch->plan.n_hosts, sizeof(*standings));
        struct probe_verdict verdict;

        if (!standings)
                return;
        for (size_t i = 0; i < watch->plan.n_hosts; i++)
                standings[i] = probes_standing(watch->probes, i);
        probe_verdict(&watch->plan, standings, &verdict);
        free(standings);
        watch->is_good = verdict.status == CONDITION_TRUE;
        if (verdict.status != CONDITION_UNKNOWN)
                plugin_set_condition(watch->ctx, CONDITION_REGISTRY_MIRRORS, verdict.status, verdict.reason,
                                     "%s", verdict.message);
}

static void tell(struct mirror_watch *watch, const struct failure *failure)
{
        struct mirror_verdict verdict;

        if (mirror_judge(&(struct mirror_situation){ .plan = &watch->plan,
                                                     .facts = &watch->facts,
                                                     .failure = failure,
                                                     .restart_pending = watch->restart_pending,
                                                     .restart_asked = watch->restart_asked },
                         &verdict) &&
            probes_plan(watch->probes)->n_hosts > 0)
                tell_of_endpoints(watch);
        else {
                watch->is_good = verdict.status == CONDITION_TRUE;
                plugin_set_condition(watch->ctx, CONDITION_REGISTRY_MIRRORS, verdict.status, verdict.reason,
                                     "%s", verdict.message);
        }
        plugin_touch_report(watch->ctx);
}

/* With what is known of the endpoints. */
static int set_orders(struct mirror_watch *watch, struct mirror_plan *plan, struct failure *failure)
{
        struct containerd_state state;
        int r;

        containerd_state_load(watch->ctx->state_dir, &state);
        r = probes_configure(watch->probes, watch->config, &state.version, failure);
        for (size_t i = 0; r >= 0 && probes_plan(watch->probes)->n_hosts > 0 && i < plan->n_chains; i++) {
                struct mirror_chain *chain = &plan->chains[i];
                bool is_demoted[MIRROR_HOSTS_MAX];

                for (size_t j = 0; j < chain->n_hosts; j++)
                        is_demoted[j] =
                                probes_standing(watch->probes, chain->hosts[j] - plan->hosts)->demoted;
                demotion_order(chain, is_demoted, &chain->order);
        }
        return r;
}

static int publish(struct mirror_watch *watch, struct failure *failure)
{
        struct mirror_plan plan = {};
        struct mirror_facts facts = {};
        int r;

        r = mirror_plan_load(watch->config, watch->ctx->root, &plan, failure);
        if (r >= 0)
                r = set_orders(watch, &plan, failure);
        if (r >= 0)
                r = mirror_publish(watch->ctx, watch->config, &plan, &facts, failure);
        if (r < 0) {
                mirror_plan_clear(&plan);
                return r;
        }
        mirror_facts_clear(&watch->facts);
        mirror_plan_clear(&watch->plan);
        watch->facts = facts;
        watch->plan = plan;
        return 0;
}

static void arm_recheck(struct mirror_watch *watch)
{
        (void)sd_event_source_set_time_relative(watch->recheck,
                                                mirror_watch_rests(watch->ctx) ? LOOK_USEC : RECHECK_USEC);
        (void)sd_event_source_set_enabled(watch->recheck, SD_EVENT_ONESHOT);
}

static int look(struct mirror_watch *watch)
{
        _cleanup_failure_ failure = {};
        int r;

        r = publish(watch, &failure);
        if (r == -ENOMEM)
                return r;
        if (r < 0 && !failure.reason)
                failure_set(&failure, r, "MirrorsNotPublished", "cannot publish the mirrors: %s",
                            strerror(-r));
        look_for_restart(watch);
        tell(watch, r < 0 ? &failure : NULL);
        arm_recheck(watch);
        return 0;
}

/* ---- containerd's version ---- */

static int on_version(struct grpc_call *call, const uint8_t *message, size_t size, void *userdata)
{
        struct mirror_watch *watch = userdata;

        return containerd_version_read(message, size, &watch->told);
}

/* One that does not answer is not running, and a later one may be another. */
static void on_version_end(struct grpc_call *call, int error, const struct failure *failure, void *userdata)
{
        struct mirror_watch *watch = userdata;
        struct containerd_state state;
        int r;

        watch->asking = NULL;
        arm_recheck(watch);
        containerd_state_load(watch->ctx->state_dir, &state);
        if (error < 0 || containerd_version_same(&state.version, &watch->told))
                return;
        state.version = watch->told;
        r = containerd_state_save(watch->ctx->state_dir, &state);
        if (r >= 0)
                r = look(watch);
        if (r < 0)
                (void)log_error(r, "Cannot go by the version of containerd");
}

static int ask_version(struct mirror_watch *watch)
{
        _cleanup_free_ char *socket = path_under(watch->ctx->root, watch->config->containerd.socket);
        struct grpc_request request = {
                .base_url = "http://localhost",
                .unix_socket = socket,
                .method = "/containerd.services.version.v1.Version/Version",
                .timeout_usec = ASK_USEC,
                .on_message = on_version,
                .userdata = watch,
        };

        if (!socket)
                return -ENOMEM;
        if (watch->asking || access(socket, F_OK) < 0)
                return 0;
        watch->told = (struct containerd_version){};
        return grpc_start(watch->http, &request, on_version_end, &watch->asking);
}

/* ---- when to look ---- */

static int on_recheck(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct mirror_watch *watch = userdata;
        int r;

        r = look(watch);
        /* What was in use a minute ago may go now. */
        if (r >= 0)
                r = mirror_sweep(watch->ctx, &watch->plan);
        if (r < 0)
                (void)log_error(r, "Cannot remove copies that are in use no longer");
        r = ask_version(watch);
        if (r < 0)
                (void)log_error(r, "Cannot ask containerd for its version");
        arm_recheck(watch);
        return 0;
}

static void on_change(void *userdata)
{
        int r = look(userdata);

        if (r < 0)
                (void)log_error(r, "Cannot look at the mirrors");
}

/* The context outlives the watch that began the probes. */
static void on_probes(void *userdata)
{
        const struct plugin_context *ctx = userdata;

        on_change(ctx->userdata);
}

/* containerd was started, perhaps because it had to be. */
static void on_socket(void *userdata)
{
        struct mirror_watch *watch = userdata;
        int r;

        on_change(watch);
        r = ask_version(watch);
        if (r < 0)
                (void)log_error(r, "Cannot ask containerd for its version");
}

static int watch_path(struct mirror_watch *watch, const char *name, file_watch_fn changed)
{
        return name ? file_watches_add(&watch->files, watch->ctx->event, watch->ctx->root, name,
                                       FILE_WATCH_SETTLE_USEC, changed, watch)
                    : 0;
}

static int watch_registry(struct mirror_watch *watch, const struct mirror_registry *registry)
{
        int r = 0;

        for (size_t i = 0; r >= 0 && i < registry->endpoints.count; i++) {
                const struct mirror_endpoint *endpoint = mirror_endpoint(registry, i);
                const char *const names[] = { endpoint->ca_file, endpoint->cert_file, endpoint->key_file,
                                              endpoint->headers_file };

                for (size_t k = 0; r >= 0 && k < ELEMENTS(names); k++)
                        r = watch_path(watch, names[k], on_change);
        }
        return r;
}

/* Our own, which people edit. */
static int watch_hosts_files(struct mirror_watch *watch)
{
        int r = 0;

        for (size_t i = 0; r >= 0 && watch->facts.directory && i < watch->plan.n_chains; i++) {
                _cleanup_free_ char *path =
                        hosts_file_path(watch->facts.directory, watch->plan.chains[i].host);

                r = path ? watch_path(watch, path, on_change) : -ENOMEM;
        }
        return r;
}

/* custom-ca's authorities are watched by the loop when there is no configuration, and here in any case. */
static int watch_files(struct mirror_watch *watch)
{
        const struct mirror_config *config = watch->config;
        int r;

        r = watch_path(watch, watch->ctx->plugin->also_for, on_change);
        if (r >= 0)
                r = watch_path(watch, config->containerd.config_file, on_change);
        if (r >= 0)
                r = watch_path(watch, watch->facts.directory, on_change);
        if (r >= 0)
                r = watch_path(watch, config->containerd.socket, on_socket);
        if (r >= 0)
                r = watch_hosts_files(watch);
        for (size_t i = 0; r >= 0 && i < config->registries.count; i++)
                r = watch_registry(watch, mirror_registry(config, i));
        return r < 0 ? r : watch_registry(watch, &config->others);
}

static int make_probes(struct mirror_watch *watch)
{
        struct plugin_context *ctx = watch->ctx;
        _cleanup_(report_freep) struct report *before = NULL;
        int r;

        r = probes_new(ctx->event, ctx->root, on_probes, ctx, &watch->probes);
        /* Without a report nothing is remembered. */
        if (r >= 0 && report_load(ctx->report_path, &before, NULL) >= 0 && before->boot_id &&
            strcmp(before->boot_id, boot_id()) == 0)
                r = probes_remember(watch->probes, before);
        return r;
}

/* What is known of the endpoints outlives a change of the configuration. */
static int take_probes(struct mirror_watch *watch)
{
        struct plugin_context *ctx = watch->ctx;
        struct mirror_watch *before = ctx->userdata;

        ctx->userdata = NULL;
        if (before)
                watch->probes = TAKE_PTR(before->probes);
        watch_free(before);
        return watch->probes ? 0 : make_probes(watch);
}

int mirror_watch_start(struct plugin_context *ctx, const void *config)
{
        _cleanup_(watch_freep) struct mirror_watch *watch = calloc(1, sizeof(*watch));
        int r;

        if (!watch)
                return -ENOMEM;
        watch->ctx = ctx;
        watch->config = config;
        r = take_probes(watch);
        if (r >= 0)
                r = http_client_new(ctx->event, &watch->http);
        if (r < 0)
                return r;
        r = sd_event_add_time_relative(ctx->event, &watch->recheck, CLOCK_BOOTTIME, RECHECK_USEC,
                                       USEC_PER_SEC, on_recheck, watch);
        if (r >= 0)
                r = look(watch);
        if (r >= 0)
                r = watch_files(watch);
        if (r >= 0)
                r = ask_version(watch);
        if (r < 0)
                return r;
        ctx->userdata = TAKE_PTR(watch);
        return 0;
}

void mirror_watch_close(struct plugin_context *ctx)
{
        ctx->userdata = watch_free(ctx->userdata);
}
