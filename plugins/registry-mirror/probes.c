/* SPDX-License-Identifier: Apache-2.0 */

#include "probes.h"

#include <string.h>
#include <strings.h>

#include "phase.h"
#include "quantity.h"
#include "timestamp.h"

#define ANSWER_MAX (64 * 1024) /* a body that nobody reads */

struct probe {
        struct probes *probes;
        const struct mirror_host *host; /* one of those that are asked so */
        struct probe_question question;
        struct standing standing;
        uint64_t due_usec, started_usec;
        bool with_bundle;               /* the directory of authorities did not do */
        struct http_transfer *transfer; /* NULL: not under way */
};

/* What a process before this one said of an endpoint: that it was good. */
struct remembered {
        char **urls;
        size_t count;
};

struct probes {
        sd_event *event;
        const char *root;
        probes_changed_fn changed;
        void *userdata;
        sd_event_source *timer;
        struct http_client *http; /* made when it is needed */
        struct remembered remembered;
        char node_id[NODE_ID_SIZE];

        struct standing_rules rules;
        uint64_t timeout_usec;
        bool sends_to_tokens; /* containerd does, with headers */
        uint64_t last_start_usec;
        struct mirror_plan plan;
        struct probe *items;
        size_t count;
        size_t *of_host; /* the item of each of the plan's hosts */
};

/* ---- what is asked ---- */

static bool same_text(const char *a, const char *b)
{
        return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_headers(const struct mirror_host *a, const struct mirror_host *b)
{
        if (a->n_headers != b->n_headers)
                return false;
        for (size_t i = 0; i < a->n_headers; i++)
                if (strcmp(a->headers[i].name, b->headers[i].name) != 0 ||
                    strcmp(a->headers[i].value, b->headers[i].value) != 0)
                        return false;
        return true;
}

static bool same_probe(const struct probe *probe, const struct mirror_host *host, const char *url)
{
        return strcmp(probe->question.url, url) == 0 && same_text(probe->host->ca_pem, host->ca_pem) &&
               same_text(probe->host->client_pem, host->client_pem) && same_headers(probe->host, host);
}

static bool has_credentials(const struct mirror_host *host)
{
        for (size_t i = 0; i < host->n_headers; i++)
                if (strcasecmp(host->headers[i].name, "Authorization") == 0)
                        return true;
        return false;
}

static int make_lines(const struct mirror_host *host, char *lines[static HEADERS_MAX + 1])
{
        int r = 0;

        for (size_t i = 0; r >= 0 && i < host->n_headers; i++)
                r = header_line_add(lines, host->headers[i].name, host->headers[i].value);
        return r;
}

/* ---- one probe ---- */

static int arm(struct probes *probes);
static unsigned count_running(const struct probes *probes);
static void start(struct probe *probe, uint64_t now_usec);

static void finish(struct probe *probe, const struct probe_result *result)
{
        struct probes *probes = probe->probes;
        uint64_t now_usec = now_boottime_usec(), interval_usec;
        bool changed, settled;

        probe->transfer = NULL;
        changed = standing_note(&probe->standing, result, &probes->rules, now_usec);
        settled = standing_is_settled(&probe->standing, &probes->rules);
        interval_usec = standing_interval(&probe->standing, &probes->rules);
        /* One moment for all that are settled, so that the plugin rests between. */
        probe->due_usec =
                phase_next(phase_of(probes->node_id, settled ? "registry-mirror" : probe->question.url,
                                    interval_usec),
                           interval_usec, now_usec);
        if (probe->due_usec < now_usec + result->retry_after_usec)
                probe->due_usec = now_usec + result->retry_after_usec;
        /* By then no server has kept a connection. */
        settled = probes_are_settled(probes);
        if (settled)
                probes->http = http_client_free(probes->http);
        if (changed || settled)
                probes->changed(probes->userdata);
}

static void on_done(struct http_transfer *transfer, int error, void *userdata)
{
        struct probe *probe = userdata;
        struct probes *probes = probe->probes;
        struct probe_result result;

        probe_judge(&probe->question, transfer, error, &result);
        if (result.state == PROBE_REFUSES_TLS && !probe->with_bundle) {
                probe->with_bundle = true;
                start(probe, now_boottime_usec());
                (void)arm(probes);
                return;
        }
        probe->with_bundle &= result.state != PROBE_REFUSES_TLS;
        result.latency_usec = now_boottime_usec() - probe->started_usec;
        finish(probe, &result);
        (void)arm(probes);
}

static int start_request(struct probe *probe, const char *const *lines)
{
        struct probes *probes = probe->probes;
        const struct mirror_host *host = probe->host;
        _cleanup_mirror_trust_ trust = {};
        int r;

        r = probes->http ? 0 : http_client_new(probes->event, &probes->http);
        if (r >= 0)
                r = mirror_plan_trust(&probes->plan, probes->root, host, probe->with_bundle, &trust);
        if (r < 0)
                return r;
        return http_start(probes->http,
                          &(struct http_request){
                                  .method = "GET",
                                  .url = probe->question.url,
                                  .headers = lines,
                                  .ca_pem = trust.pem,
                                  .ca_directory = trust.directory,
                                  .cert_pem = host->client_pem,
                                  .key_pem = host->client_pem,
                                  .keep_certificate = true,
                                  .connect_timeout_usec = probes->timeout_usec,
                                  .timeout_usec = probes->timeout_usec,
                                  .response_max = ANSWER_MAX,
                                  .userdata = probe,
                          },
                          on_done, &probe->transfer);
}

static void start(struct probe *probe, uint64_t now_usec)
{
        char *lines[HEADERS_MAX + 1] = {};
        struct probe_result result = { .state = PROBE_UNREACHABLE };
        int r;

        probe->started_usec = probe->probes->last_start_usec = now_usec;
        r = make_lines(probe->host, lines);
        if (r >= 0)
                r = start_request(probe, (const char *const *)lines);
        header_lines_clear(lines);
        if (r >= 0)
                return;
        (void)snprintf(result.detail, sizeof(result.detail), "cannot be asked: %s", strerror(-r));
        finish(probe, &result);
}

/* ---- when ---- */

static unsigned count_running(const struct probes *probes)
{
        unsigned running = 0;

        for (size_t i = 0; i < probes->count; i++)
                running += probes->items[i].transfer != NULL;
        return running;
}

static struct probe *next_due(const struct probes *probes)
{
        struct probe *next = NULL;

        for (size_t i = 0; i < probes->count; i++)
                if (!probes->items[i].transfer && (!next || probes->items[i].due_usec < next->due_usec))
                        next = &probes->items[i];
        return next;
}

static int arm(struct probes *probes)
{
        const struct probe *next = next_due(probes);
        uint64_t usec;
        int r;

        if (!next || count_running(probes) == PROBES_PARALLEL_MAX)
                return sd_event_source_set_enabled(probes->timer, SD_EVENT_OFF);
        usec = next->due_usec > probes->last_start_usec + PROBES_GAP_USEC
                       ? next->due_usec
                       : probes->last_start_usec + PROBES_GAP_USEC;
        r = sd_event_source_set_time(probes->timer, usec);
        return r < 0 ? r : sd_event_source_set_enabled(probes->timer, SD_EVENT_ONESHOT);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct probes *probes = userdata;
        struct probe *next = next_due(probes);
        uint64_t now_usec = now_boottime_usec();

        if (next && next->due_usec <= now_usec && count_running(probes) < PROBES_PARALLEL_MAX)
                start(next, now_usec);
        return arm(probes);
}

/* ---- all of them ---- */

static void remembered_clear(struct remembered *remembered)
{
        for (size_t i = 0; i < remembered->count; i++)
                free(remembered->urls[i]);
        free(remembered->urls);
        *remembered = (struct remembered){};
}

int probes_remember(struct probes *probes, const struct report *report)
{
        json_object *list = report->info ? json_member(report->info, "probes", json_type_array) : NULL;
        struct remembered *remembered = &probes->remembered;
        size_t count = list ? json_object_array_length(list) : 0;

        remembered_clear(remembered);
        remembered->urls = calloc(count + 1, sizeof(*remembered->urls));
        if (!remembered->urls)
                return -ENOMEM;
        for (size_t i = 0; i < count; i++) {
                json_object *probe = json_object_array_get_idx(list, i);
                const char *url = json_string(probe, "endpoint");

                if (!url || !json_object_get_boolean(json_member(probe, "usable", json_type_boolean)))
                        continue;
                remembered->urls[remembered->count] = strdup(url);
                if (!remembered->urls[remembered->count])
                        return -ENOMEM;
                remembered->count++;
        }
        return 0;
}

static void clear_items(struct probe *items, size_t count)
{
        for (size_t i = 0; i < count; i++) {
                if (items[i].transfer)
                        http_cancel(items[i].transfer);
                free(items[i].question.url);
        }
        free(items);
}

static void clear(struct probes *probes)
{
        clear_items(probes->items, probes->count);
        free(probes->of_host);
        mirror_plan_clear(&probes->plan);
        probes->items = NULL;
        probes->of_host = NULL;
        probes->count = 0;
        probes->plan = (struct mirror_plan){};
}

int probes_new(sd_event *event, const char *root, probes_changed_fn changed, void *userdata,
               struct probes **ret)
{
        _cleanup_(probes_freep) struct probes *probes = calloc(1, sizeof(*probes));
        int r;

        if (!probes)
                return -ENOMEM;
        probes->event = sd_event_ref(event);
        probes->root = root;
        probes->changed = changed;
        probes->userdata = userdata;
        r = phase_node_id(root, probes->node_id);
        if (r >= 0)
                r = sd_event_add_time(event, &probes->timer, CLOCK_BOOTTIME, UINT64_MAX, USEC_PER_MSEC,
                                      on_timer, probes);
        if (r >= 0)
                r = sd_event_source_set_enabled(probes->timer, SD_EVENT_OFF);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(probes);
        return 0;
}

struct probes *probes_free(struct probes *probes)
{
        if (!probes)
                return NULL;
        clear(probes);
        remembered_clear(&probes->remembered);
        http_client_free(probes->http);
        sd_event_source_disable_unref(probes->timer);
        sd_event_unref(probes->event);
        free(probes);
        return NULL;
}

static bool is_remembered(const struct remembered *remembered, const char *url)
{
        for (size_t i = 0; i < remembered->count; i++)
                if (strcmp(remembered->urls[i], url) == 0)
                        return true;
        return false;
}

/* What was known of the same endpoint goes on; a new one is asked soon, but not by every node at once. */
static void begin(struct probe *probe, const struct probes *before, const struct standing_rules *rules)
{
        for (size_t i = 0; i < before->count; i++)
                if (same_probe(&before->items[i], probe->host, probe->question.url)) {
                        probe->standing = before->items[i].standing;
                        probe->standing.demoted &= rules->demote;
                        if (before->items[i].due_usec < probe->due_usec)
                                probe->due_usec = before->items[i].due_usec;
                        return;
                }
        probe->standing.was_good = is_remembered(&before->remembered, probe->host->endpoint->url);
        probe->due_usec =
                now_boottime_usec() +
                phase_of(before->node_id, probe->question.url,
                         rules->interval_usec < PROBES_FIRST_USEC ? rules->interval_usec : PROBES_FIRST_USEC);
}

static int add_host(struct probes *next, struct probes *before, size_t host)
{
        const struct mirror_host *asked = &next->plan.hosts[host];
        _cleanup_free_ char *url = NULL;
        struct probe *probe;
        bool is_root;
        int r;

        r = probe_url(asked->endpoint, &url, &is_root);
        if (r < 0)
                return r;
        for (size_t i = 0; i < next->count; i++)
                if (same_probe(&next->items[i], asked, url)) {
                        next->of_host[host] = i;
                        return 0;
                }
        next->of_host[host] = next->count;
        probe = &next->items[next->count++];
        *probe = (struct probe){ .probes = before,
                                 .host = asked,
                                 .question = { .url = TAKE_PTR(url),
                                               .is_root = is_root,
                                               .has_credentials = has_credentials(asked),
                                               .sends_to_tokens = next->sends_to_tokens },
                                 .due_usec = now_boottime_usec() + next->rules.interval_usec };
        begin(probe, before, &next->rules);
        return 0;
}

static int add_hosts(struct probes *next, struct probes *before)
{
        int r = 0;

        next->items = calloc(next->plan.n_hosts + 1, sizeof(*next->items));
        next->of_host = calloc(next->plan.n_hosts + 1, sizeof(*next->of_host));
        if (!next->items || !next->of_host)
                return -ENOMEM;
        for (size_t i = 0; i < next->plan.n_hosts && r >= 0; i++)
                r = add_host(next, before, i);
        return r;
}

/* Whether the same is asked, in the same order. */
static bool is_same(const struct probes *a, const struct probes *b)
{
        if (a->count != b->count || a->plan.n_hosts != b->plan.n_hosts ||
            a->sends_to_tokens != b->sends_to_tokens || a->rules.interval_usec != b->rules.interval_usec ||
            a->rules.settled_usec != b->rules.settled_usec)
                return false;
        for (size_t i = 0; i < a->plan.n_hosts; i++)
                if (a->of_host[i] != b->of_host[i])
                        return false;
        for (size_t i = 0; i < a->count; i++)
                if (!same_probe(&a->items[i], b->items[i].host, b->items[i].question.url))
                        return false;
        return true;
}

/* The same questions by a new plan: what is under way goes on. */
static void go_on(struct probes *probes, struct probes *next)
{
        struct mirror_plan before = probes->plan;

        for (size_t i = 0; i < probes->count; i++) {
                struct probe *probe = &probes->items[i];

                probe->host = &next->plan.hosts[probe->host - before.hosts];
                probe->standing.demoted &= next->rules.demote;
        }
        probes->plan = next->plan;
        probes->rules = next->rules;
        probes->timeout_usec = next->timeout_usec;
        next->plan = before;
        clear(next);
}

int probes_configure(struct probes *probes, const struct mirror_config *config,
                     const struct containerd_version *version, struct failure *failure)
{
        struct probes next = *probes;
        int r = 0;

        next.rules = (struct standing_rules){ config->demote_dead, config->probe.interval_usec,
                                              config->probe.settled_interval_usec };
        next.timeout_usec = config->probe.timeout_usec;
        next.sends_to_tokens = containerd_version_at_least(version, 2, 1);
        next.plan = (struct mirror_plan){};
        next.items = NULL;
        next.of_host = NULL;
        next.count = 0;
        if (config->probe.enabled)
                r = mirror_plan_load(config, probes->root, &next.plan, failure);
        if (r >= 0)
                r = add_hosts(&next, probes);
        if (r < 0) {
                clear(&next);
                return r;
        }
        if (is_same(probes, &next)) {
                go_on(probes, &next);
                return 0;
        }
        clear(probes);
        *probes = next;
        return arm(probes);
}

bool probes_are_settled(const struct probes *probes)
{
        for (size_t i = 0; i < probes->count; i++)
                if (!standing_is_settled(&probes->items[i].standing, &probes->rules))
                        return false;
        return count_running(probes) == 0;
}

const struct mirror_plan *probes_plan(const struct probes *probes)
{
        return &probes->plan;
}

const struct standing *probes_standing(const struct probes *probes, size_t host)
{
        return &probes->items[probes->of_host[host]].standing;
}
