/* SPDX-License-Identifier: Apache-2.0 */

#include "watch.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "ca-verdict.h"
#include "log.h"
#include "quantity.h"
#include "shared.h"
#include "stale-units.h"
#include "timestamp.h"
#include "unit-processes.h"

#define RECHECK_USEC (5 * USEC_PER_MIN)  /* while the store is not right */
#define STALE_USEC   (15 * USEC_PER_MIN) /* while a unit has not been restarted, which may be for ever */
/* It reads all authorities, which takes 0.1 s; a change of theirs is seen at once. */
#define LOOK_USEC   (30 * USEC_PER_MIN)
#define LOCKED_USEC (20 * USEC_PER_SEC)

static int look(struct ca_watch *watch);

static void end_change(struct ca_watch *watch)
{
        trust_change_clear(&watch->change);
        watch->child = sd_event_source_disable_unref(watch->child);
        watch->deadline = sd_event_source_disable_unref(watch->deadline);
        closep(&watch->lock);
        watch->lock = -EBADF;
}

static struct ca_watch *watch_free(struct ca_watch *watch)
{
        if (!watch)
                return NULL;
        if (watch->child) {
                kill(-watch->pid, SIGKILL);
                waitpid(watch->pid, NULL, 0);
        }
        end_change(watch);
        file_watches_clear(&watch->files);
        sd_event_source_disable_unref(watch->recheck);
        stale_units_clear(&watch->stale);
        desired_clear(&watch->desired);
        trust_store_clear(&watch->store);
        free(watch);
        return NULL;
}
DEFINE_CLEANUP(struct ca_watch *, watch_free)

/* What is left to look for is files that change, and now and then whether a unit was restarted. */
bool ca_watch_rests(const struct plugin_context *ctx)
{
        const struct ca_watch *watch = ctx->userdata;

        return watch && !watch->child && watch->is_good;
}

static void tell(struct ca_watch *watch, const struct failure *failure)
{
        _cleanup_free_ char *services = services_directory(watch->ctx->root);
        struct ca_verdict verdict;

        watch->is_good = !failure;
        watch->changed = (struct last_change){};
        last_change_load(watch->ctx->state_dir, CHANGED,
                         &watch->changed); /* none yet is as good as an old one */
        stale_units_clear(&watch->stale);
        if (services && watch->changed.boottime_usec)
                stale_units(services, watch->changed.boottime_usec, &watch->stale);
        ca_judge(&(struct ca_input){ .wanted = &watch->desired.wanted,
                                     .known = &watch->desired.known,
                                     .failure = failure,
                                     .n_stale = watch->stale.count,
                                     .now_usec = now_realtime_usec() },
                 &verdict);
        plugin_set_condition(watch->ctx, CONDITION_CUSTOM_CAS, verdict.status, verdict.reason, "%s",
                             verdict.message);
        plugin_touch_report(watch->ctx);
        sd_event_source_set_time_relative(watch->recheck, failure                  ? RECHECK_USEC
                                                          : watch->stale.count > 0 ? STALE_USEC
                                                                                   : LOOK_USEC);
        sd_event_source_set_enabled(watch->recheck, SD_EVENT_ONESHOT);
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct ca_watch *watch = userdata;

        kill(-watch->pid, SIGKILL); /* on_exit follows, and the check says what is wrong */
        return 0;
}

static int go_on(struct ca_watch *watch);

static int on_exit_of_update(sd_event_source *source, const siginfo_t *info, void *userdata)
{
        struct ca_watch *watch = userdata;

        watch->child = sd_event_source_disable_unref(watch->child);
        watch->deadline = sd_event_source_disable_unref(watch->deadline);
        return go_on(watch);
}

static int run_update(struct ca_watch *watch, bool fresh, struct failure *failure)
{
        int r;

        r = trust_store_start(&watch->store, fresh, &watch->pid, failure);
        if (r < 0)
                return r;
        r = sd_event_add_child(watch->ctx->event, &watch->child, watch->pid, WEXITED, on_exit_of_update,
                               watch);
        if (r < 0)
                return r;
        return sd_event_add_time_relative(watch->ctx->event, &watch->deadline, CLOCK_BOOTTIME, TRUST_RUN_USEC,
                                          USEC_PER_SEC, on_deadline, watch);
}

/* One step further; tells when it was the last. */
static int go_on(struct ca_watch *watch)
{
        _cleanup_failure_ failure = {};
        bool fresh = false;
        int r;

        r = trust_change_step(&watch->change, &fresh, &failure);
        if (r > 0) {
                watch->repairs += !watch->change.withdrew && watch->change.runs == 1;
                r = run_update(watch, fresh, &failure);
                if (r >= 0)
                        return 0;
        } else if (r == 0) {
                r = trust_changed(watch->ctx->state_dir, &watch->change, &failure);
                if (r >= 0)
                        r = shared_write(watch->ctx->state_dir,
                                         watch->config->containerd ? &watch->desired.wanted
                                                                   : &(struct authorities){},
                                         &failure);
        }
        end_change(watch);
        if (r < 0 && !failure.reason)
                failure_set(&failure, r, "TrustStoreBroken", "cannot mend the trust store: %s", strerror(-r));
        tell(watch, r < 0 ? &failure : NULL);
        if (!watch->again)
                return 0;
        watch->again = false;
        return look(watch);
}

static int begin(struct ca_watch *watch, struct failure *failure)
{
        struct desired desired;
        int r;

        r = desired_load(watch->config, &watch->store, &desired, failure);
        if (r < 0)
                return r;
        desired_clear(&watch->desired);
        watch->desired = desired;
        watch->lock = trust_lock(watch->ctx->state_dir, failure);
        if (watch->lock < 0)
                return watch->lock;
        return trust_change_init(&watch->change, &watch->store, watch->ctx->state_dir, &watch->desired.wanted,
                                 &watch->config->distrust);
}

static int look(struct ca_watch *watch)
{
        _cleanup_failure_ failure = {};
        int r;

        if (watch->child) {
                watch->again = true;
                return 0;
        }
        watch->looked_usec = now_boottime_usec();
        r = begin(watch, &failure);
        if (r >= 0)
                return go_on(watch);
        end_change(watch);
        if (r == -ENOMEM)
                return r;
        if (r != -EBUSY) {
                tell(watch, &failure);
                return 0;
        }
        /* Whoever holds the lock is making it right; the next look tells. */
        sd_event_source_set_time_relative(watch->recheck, LOCKED_USEC);
        return sd_event_source_set_enabled(watch->recheck, SD_EVENT_ONESHOT);
}

static int on_recheck(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct ca_watch *watch = userdata;

        if (watch->child || !watch->is_good || now_boottime_usec() - watch->looked_usec >= LOOK_USEC)
                return look(watch);
        /* Units that were restarted, and the time that passed. */
        tell(watch, NULL);
        return 0;
}

static void on_change(void *userdata)
{
        int r = look(userdata);

        if (r < 0)
                log_error(r, "Cannot look at the trust store");
}

static int watch_file(struct ca_watch *watch, const char *root, const char *name)
{
        return file_watches_add(&watch->files, watch->ctx->event, root, name, FILE_WATCH_SETTLE_USEC,
                                on_change, watch);
}

static int watch_files(struct ca_watch *watch)
{
        const char *const places[] = { watch->store.bundle, watch->store.local, watch->store.selection };
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTS(places); i++)
                r = watch_file(watch, "/", places[i]);
        for (size_t i = 0; r >= 0 && i < watch->config->authorities.count; i++) {
                const struct authority_source *source = custom_ca_source(watch->config, i);

                if (source->file)
                        r = watch_file(watch, watch->ctx->root, source->file);
        }
        return r;
}

int ca_watch_start(struct plugin_context *ctx, const void *config)
{
        _cleanup_(watch_freep) struct ca_watch *watch = calloc(1, sizeof(*watch));
        sigset_t child;
        int r;

        if (!watch)
                return -ENOMEM;
        watch->ctx = ctx;
        watch->config = config;
        watch->lock = -EBADF;
        watch->repairs = plugin_counter(ctx, REPAIRS_METRIC);
        /* sd_event_add_child(3) wants it blocked. */
        sigemptyset(&child);
        sigaddset(&child, SIGCHLD);
        sigprocmask(SIG_BLOCK, &child, NULL);

        r = trust_store_init(&watch->store, ctx->root);
        if (r < 0)
                return r;
        r = sd_event_add_time(ctx->event, &watch->recheck, CLOCK_BOOTTIME, UINT64_MAX, USEC_PER_SEC,
                              on_recheck, watch);
        if (r < 0)
                return r;
        r = watch_files(watch);
        if (r < 0)
                return r;
        watch_free(ctx->userdata);
        ctx->userdata = watch;
        return look(TAKE_PTR(watch));
}

void ca_watch_close(struct plugin_context *ctx)
{
        ctx->userdata = watch_free(ctx->userdata);
}
