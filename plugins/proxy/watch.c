/* SPDX-License-Identifier: Apache-2.0 */

#include "watch.h"

#include <string.h>

#include "credentials.h"
#include "log.h"
#include "probe.h"
#include "quantity.h"
#include "timestamp.h"
#include "unit-processes.h"
#include "verdict.h"

#define RECHECK_USEC (60 * USEC_PER_SEC)
/* When no unit has to be restarted; a change of a file is seen at once. */
#define LOOK_USEC     (30 * USEC_PER_MIN)
#define PROBE_SECONDS 10

/* What the settings are made of, besides the configuration. */
static const char *const sources[] = {
        "/etc/kubernetes/manifests",
        "/etc/kubernetes/kubelet.conf",
        "/run/kubeadm/kubeadm.yaml",
        "/run/kubeadm/kubeadm-join-config.yaml",
        "/var/lib/kubelet/config.yaml",
        /* Where they are written. */
        "/etc/apt/apt.conf.d",
        "/etc/environment.d",
        "/etc/profile.d",
        ENVIRONMENT_DIR,
};

static struct proxy_watch *watch_free(struct proxy_watch *watch)
{
        if (!watch)
                return NULL;
        file_watches_clear(&watch->files);
        child_free(watch->child);
        sd_event_source_disable_unref(watch->recheck);
        sd_event_source_disable_unref(watch->ask);
        strings_clear(&watch->shadowing);
        strings_clear(&watch->overridden);
        strings_clear(&watch->stale);
        failure_clear(&watch->probe_failure);
        free(watch->direct);
        free(watch);
        return NULL;
}
DEFINE_CLEANUP(struct proxy_watch *, watch_free)

static int look_at_drop_ins(struct proxy_watch *watch)
{
        int r = 0;

        strings_clear(&watch->shadowing);
        strings_clear(&watch->overridden);
        for (size_t i = 0; r >= 0 && i < watch->config->units.count; i++) {
                _cleanup_strings_ shadowing = {}, overridden = {};

                r = drop_ins_look(watch->ctx->root, watch->config->units.items[i], &shadowing, &overridden);
                for (size_t k = 0; r >= 0 && k < shadowing.count; k++)
                        r = strings_add(&watch->shadowing, shadowing.items[k]);
                for (size_t k = 0; r >= 0 && k < overridden.count; k++)
                        r = strings_add(&watch->overridden, overridden.items[k]);
        }
        return r;
}

static int look_at_units(struct proxy_watch *watch)
{
        _cleanup_free_ char *services = services_directory(watch->ctx->root);
        uint64_t started;
        int r = 0;

        if (!services)
                return -ENOMEM;
        strings_clear(&watch->stale);
        watch->kubelet_runs = service_started(services, "kubelet.service", &started) >= 0;
        for (size_t i = 0; r >= 0 && i < watch->config->units.count; i++) {
                const char *unit = watch->config->units.items[i];
                struct last_change change;

                change_of(watch->ctx, unit, &change);
                if (service_started(services, unit, &started) >= 0 && started < change.boottime_usec)
                        r = strings_add(&watch->stale, unit);
        }
        return r;
}

static void tell(struct proxy_watch *watch, const struct failure *failure)
{
        struct proxy_verdict verdict;

        if (watch->config->probe.target && !watch->probed && !failure)
                return; /* soon */
        proxy_judge(&(struct proxy_input){ .failure = failure,
                                           .shadowing = &watch->shadowing,
                                           .stale = &watch->stale,
                                           .probe =
                                                   watch->probe_failure.reason ? &watch->probe_failure : NULL,
                                           .probed = watch->probed,
                                           .n_units = watch->config->units.count },
                    &verdict);
        plugin_set_condition(watch->ctx, CONDITION_PROXY, verdict.status, verdict.reason, "%s",
                             verdict.message);
        plugin_touch_report(watch->ctx);
}

static int keep(struct proxy_watch *watch, struct failure *failure)
{
        _cleanup_settings_ settings = {};
        int r;

        r = settings_make(watch->ctx->root, watch->config, &settings, failure);
        if (r < 0)
                return r;
        r = settings_apply(watch->ctx, watch->config, &settings, failure);
        if (r < 0)
                return r;
        watch->repairs += r > 0;
        free(watch->direct);
        watch->direct = TAKE_PTR(settings.direct);
        return 0;
}

bool proxy_watch_rests(const struct plugin_context *ctx)
{
        const struct proxy_watch *watch = ctx->userdata;

        return watch && watch->is_good && watch->stale.count == 0 && !watch->config->probe.target;
}

static int look(struct proxy_watch *watch)
{
        _cleanup_failure_ failure = {};
        int r;

        r = keep(watch, &failure);
        if (r < 0 && !failure.reason)
                failure_set(&failure, r, "FileNotWritten", "cannot keep the proxy's files: %s", strerror(-r));
        watch->is_good = !failure.reason;
        r = look_at_drop_ins(watch);
        if (r >= 0)
                r = look_at_units(watch);
        (void)sd_event_source_set_time_relative(watch->recheck,
                                                proxy_watch_rests(watch->ctx) ? LOOK_USEC : RECHECK_USEC);
        (void)sd_event_source_set_enabled(watch->recheck, SD_EVENT_ONESHOT);
        if (r < 0)
                return r;
        tell(watch, failure.reason ? &failure : NULL);
        return 0;
}

static int on_recheck(sd_event_source *source, uint64_t usec, void *userdata)
{
        return look(userdata);
}

static void on_change(void *userdata)
{
        int r = look(userdata);

        if (r < 0)
                (void)log_error(r, "Cannot look at the proxy's files");
}

/* ---- the probe ---- */

static const char *probed_proxy(const struct proxy_config *config)
{
        return config->https_proxy ?: config->http_proxy;
}

/* In the child. */
static void work(void *userdata, int fd)
{
        const struct proxy_watch *watch = userdata;
        const struct proxy_config *config = watch->config;
        _cleanup_credentials_ *credentials = NULL;
        _cleanup_failure_ failure = {};

        if (config->credentials_file &&
            credentials_load(watch->ctx->root, config->credentials_file, &credentials, &failure) < 0) {
                dprintf(fd, "%s\n", failure.message ?: "no memory");
                return;
        }
        probe_ask(&(struct probe){ probed_proxy(config), credentials, config->probe.target }, fd);
}

static void on_answer(const char *output, void *userdata)
{
        struct proxy_watch *watch = userdata;

        failure_clear(&watch->probe_failure);
        (void)probe_verdict(output, probed_proxy(watch->config), watch->config->probe.target,
                            &watch->probe_failure);
        watch->probed = true;
        watch->probe_seconds = (double)(now_boottime_usec() - watch->asked_usec) / 1e6;
        on_change(watch);
}

static int on_ask(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct proxy_watch *watch = userdata;
        int r;

        watch->child = child_free(watch->child);
        watch->asked_usec = now_boottime_usec();
        r = child_start(watch->ctx->event, PROBE_SECONDS, work, on_answer, watch, &watch->child);
        if (r < 0)
                (void)log_error(r, "Cannot ask the proxy");
        r = sd_event_source_set_time_relative(source, watch->config->probe.interval_usec);
        return r < 0 ? r : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* ---- life ---- */

static int watch_file(struct proxy_watch *watch, const char *name)
{
        return file_watches_add(&watch->files, watch->ctx->event, watch->ctx->root, name,
                                FILE_WATCH_SETTLE_USEC, on_change, watch);
}

static int watch_files(struct proxy_watch *watch)
{
        const struct proxy_config *config = watch->config;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTS(sources); i++)
                r = watch_file(watch, sources[i]);
        if (r >= 0 && config->credentials_file)
                r = watch_file(watch, config->credentials_file);
        for (size_t i = 0; r >= 0 && i < config->units.count; i++) {
                _cleanup_free_ char *name = NULL;

                if (asprintf(&name, "/etc/systemd/system/%s.d", config->units.items[i]) < 0) {
                        name = NULL;
                        return -ENOMEM;
                }
                r = watch_file(watch, name);
        }
        return r;
}

int proxy_watch_start(struct plugin_context *ctx, const void *config)
{
        _cleanup_(watch_freep) struct proxy_watch *watch = calloc(1, sizeof(*watch));
        int r;

        if (!watch)
                return -ENOMEM;
        watch->ctx = ctx;
        watch->config = config;
        watch->repairs = plugin_counter(ctx, CHANGES_METRIC);
        r = sd_event_add_time(ctx->event, &watch->recheck, CLOCK_BOOTTIME, UINT64_MAX, USEC_PER_SEC,
                              on_recheck, watch);
        if (r >= 0 && watch->config->probe.target)
                r = sd_event_add_time_relative(ctx->event, &watch->ask, CLOCK_BOOTTIME, 0, 0, on_ask, watch);
        if (r >= 0)
                r = watch_files(watch);
        if (r < 0)
                return r;
        watch_free(ctx->userdata);
        ctx->userdata = watch;
        return look(TAKE_PTR(watch));
}

void proxy_watch_close(struct plugin_context *ctx)
{
        ctx->userdata = watch_free(ctx->userdata);
}
