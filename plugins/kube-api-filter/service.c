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
#include "sha256.h"
#include "timestamp.h"

#define TICK_SOON_USEC     USEC_PER_SEC        /* while something is to be proven */
#define TICK_USEC          (10 * USEC_PER_SEC) /* else: looks whether a list's sources changed */
#define TICK_SLACK_USEC    (USEC_PER_SEC / 4)  /* none where somebody asked for it */
#define PROBE_SECONDS      10
#define PROBE_PAUSE_USEC   (2 * USEC_PER_SEC)
#define LOOK_UP_SECONDS    30
#define LOOK_UP_PAUSE_USEC USEC_PER_MIN

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

static void on_allow_file(void *userdata)
{
        struct service *service = userdata;

        (void)service_tick_now(service);
}

/* What cannot be watched is still looked at by each tick. */
static void watch_allow_files(struct service *service)
{
        const struct config_strings *files = &service->config->allow_files;

        file_watches_clear(&service->allow_watches);
        for (size_t i = 0; i < files->count; i++)
                (void)file_watches_add(&service->allow_watches, service->ctx->event, service->ctx->root,
                                       files->items[i], 0, on_allow_file, service);
}

void service_close(struct plugin_context *ctx)
{
        struct service *service = ctx->userdata;

        sd_event_source_disable_unref(service->tick);
        sd_event_source_disable_unref(service->repair_later);
        sd_event_source_disable_unref(service->look_again);
        file_watch_free(service->request_watch);
        file_watches_clear(&service->allow_watches);
        child_free(service->probe);
        child_free(service->look_up);
        free_endpoint(service);
        monitor_free(service->monitor);
        filter_list_unref(service->automatic);
        filter_free(service->filter);
        closep(&service->lock);
        free(service->answer);
        free(service->refusal);
        free(service->missing);
        free(service);
        ctx->userdata = NULL;
}

static int add_file(struct sha256 *inputs, const char *root, const char *name)
{
        _cleanup_free_ char *path = path_under(root, name);
        struct stat st = {};

        if (!path)
                return -ENOMEM;
        (void)stat(path, &st);
        sha256_add(inputs, &st.st_mtim, sizeof(st.st_mtim));
        sha256_add(inputs, &st.st_ino, sizeof(st.st_ino));
        sha256_add(inputs, &st.st_size, sizeof(st.st_size));
        return 0;
}

/* Of all that sources_collect looks at beside the configuration: cheaper than making the list. */
static int digest_inputs(const char *root, const struct filter_config *config,
                         char ret[static SHA256_TEXT_SIZE])
{
        const char *const files[] = { "/etc/kubernetes/manifests/kube-apiserver.yaml",
                                      "/etc/kubernetes/manifests/kube-controller-manager.yaml",
                                      config->kubeconfig };
        _cleanup_node_networks_ networks = {};
        uint8_t digest[SHA256_SIZE];
        struct sha256 inputs;
        int r = 0;

        sha256_begin(&inputs);
        for (size_t i = 0; r >= 0 && i < ELEMENTS(files); i++)
                r = add_file(&inputs, root, files[i]);
        for (size_t i = 0; r >= 0 && i < config->allow_files.count; i++)
                r = add_file(&inputs, root, config->allow_files.items[i]);
        if (r >= 0)
                r = node_networks_read(&networks);
        if (r < 0)
                return r;
        for (size_t f = 0; f < IP_FAMILIES; f++)
                for (size_t i = 0; i < networks.networks[f].count; i++)
                        sha256_add(&inputs, &networks.networks[f].items[i], sizeof(struct cidr_range));
        sha256_end(&inputs, digest);
        digest_format(digest, ret);
        return 0;
}

/* inputs: digested before, so that what changes while the list is made is seen the next time. */
static int want(struct service *service, const struct filter_config *config,
                const char inputs[static SHA256_TEXT_SIZE], struct failure *failure)
{
        _cleanup_(filter_list_unrefp) struct filter_list *list = NULL;
        int r;

        memcpy(service->inputs, inputs, SHA256_TEXT_SIZE);
        r = sources_collect(service->ctx->root, config, &service->filter->state.names, &list, failure);
        if (r < 0)
                return r;
        filter_list_unref(service->automatic);
        service->automatic = NULL;
        (void)sources_automatic(service->ctx->root, config, &service->automatic, NULL);
        service_pause(service);
        r = filter_want(service->filter, list, failure);
        service_resume(service);
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
        char inputs[SHA256_TEXT_SIZE];
        int r;

        if (ctx->dry_run)
                return print_plan(ctx, config, failure);
        if (!service) {
                r = service_open(ctx, &service, failure);
                if (r < 0)
                        return r;
        }
        r = digest_inputs(ctx->root, config, inputs);
        return r < 0 ? r : want(service, config, inputs, failure);
}

int service_undo(struct plugin_context *ctx, struct failure *failure)
{
        struct service *service = ctx->userdata;

        if (service && service->monitor)
                service->monitor = monitor_free(service->monitor);
        return filter_remove(ctx->state_dir, failure);
}

static void try(struct service *service)
{
        _cleanup_failure_ failure = {};
        int r;

        service_pause(service);
        r = filter_try(service->filter, service->config->confirm_usec, service->config->force, &failure);
        service_resume(service);
        (void)replace(&service->refusal, r < 0 && failure.message ? failure.message : NULL);
        /* A trial is proven by what was asked after it began. */
        if (r >= 0)
                service->next_probe_usec = 0;
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
        service_pause(service);
        r = filter_confirm(service->filter, &failure);
        service_resume(service);
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
        service_set_ready(service);
        plugin_touch_report(service->ctx);
        (void)service_tick_now(service);
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

        r = names_take(&service->filter->state.names, output);
        service->look_up = child_free(service->look_up); /* and the output with it */
        service->next_look_up_usec = now_boottime_usec() + LOOK_UP_PAUSE_USEC;
        if (r == 0)
                return;
        if (r > 0)
                r = state_save(service->ctx->state_dir, &service->filter->state);
        if (r < 0)
                (void)log_error(r, "Cannot keep the addresses of the management side's names");
        service->inputs[0] = '\0'; /* so that the tick makes the list anew */
        (void)service_tick_now(service);
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

/* The node got an address, kubeadm wrote its files, a name moved: the list follows. */
void service_follow(struct service *service)
{
        char inputs[SHA256_TEXT_SIZE];
        _cleanup_failure_ failure = {};
        int r;

        if (digest_inputs(service->ctx->root, service->config, inputs) < 0 ||
            strcmp(inputs, service->inputs) == 0)
                return;
        r = want(service, service->config, inputs, &failure);
        if (r < 0)
                log_message(LOG_ERR, MESSAGE_APPLY_FAILED, "%s",
                            failure.message ? failure.message : strerror(-r));
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
        service_pause(service);
        r = filter_rollback(service->filter, because, &failure);
        service_resume(service);
        log_message(LOG_WARNING, MESSAGE_APPLY_FAILED, "%s",
                    r < 0 && failure.message ? failure.message : because);
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

        service_follow(service);
        expire_trial(service);
        r = look_up(service);
        if (r >= 0 && proving(service))
                r = probe(service);
        if (r < 0)
                (void)log_error(r, "Cannot prove the list");
        service_calm(service);
        service_observe(service);
        service_set_ready(service);
        r = sd_event_source_set_time_relative(source, proving(service) ? TICK_SOON_USEC : TICK_USEC);
        if (r >= 0)
                r = sd_event_source_set_time_accuracy(source, TICK_SLACK_USEC);
        return r < 0 ? r : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

int service_tick_now(struct service *service)
{
        int r;

        r = sd_event_source_set_time_relative(service->tick, 0);
        if (r >= 0)
                r = sd_event_source_set_time_accuracy(service->tick, 1);
        return r < 0 ? r : sd_event_source_set_enabled(service->tick, SD_EVENT_ONESHOT);
}

static int start(struct service *service)
{
        sd_event *event = service->ctx->event;
        int r;

        r = service_watch_table(service);
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
        watch_allow_files(service);
        r = service->tick ? 0 : start(service);
        if (r < 0)
                return r;
        service_set_ready(service);
        return service_tick_now(service);
}
