/* SPDX-License-Identifier: Apache-2.0 */

#include "capability.h"

#include <string.h>

#include "command.h"
#include "log.h"
#include "quantity.h"
#include "report-news.h"
#include "shared-authorities.h"
#include "timestamp.h"

#define NAME_MAX_LENGTH 63
#define SUFFIX          ".json"

static const char *const state_names[] = {
        [CAPABILITY_IN_FORCE] = "InForce", [CAPABILITY_PENDING] = "Pending",   [CAPABILITY_FAILED] = "Failed",
        [CAPABILITY_SILENT] = "Silent",    [CAPABILITY_DISABLED] = "Disabled",
};

const char *capability_state_name(enum capability_state state)
{
        return state_names[state];
}

static void capability_clear(struct capability *capability)
{
        free(capability->name);
        report_free(capability->report);
        free(capability->report_error);
        free(capability->request_error);
}

void capabilities_clear(struct capabilities *capabilities)
{
        for (size_t i = 0; i < capabilities->count; i++)
                capability_clear(&capabilities->items[i]);
        free(capabilities->items);
        *capabilities = (struct capabilities){};
}

struct capability *capabilities_find(const struct capabilities *capabilities, const char *name)
{
        for (size_t i = 0; i < capabilities->count; i++)
                if (strcmp(capabilities->items[i].name, name) == 0)
                        return &capabilities->items[i];
        return NULL;
}

struct capability *capabilities_get(struct capabilities *capabilities, const char *name)
{
        struct capability *found = capabilities_find(capabilities, name), *grown;
        char *copy;
        size_t at = 0;

        if (found)
                return found;
        grown = reallocarray(capabilities->items, capabilities->count + 1, sizeof(*grown));
        if (!grown)
                return NULL;
        capabilities->items = grown;
        copy = strdup(name);
        if (!copy)
                return NULL;
        while (at < capabilities->count && strcmp(grown[at].name, name) < 0)
                at++;
        memmove(grown + at + 1, grown + at, (capabilities->count - at) * sizeof(*grown));
        capabilities->count++;
        grown[at] = (struct capability){ .name = copy, .since_usec = now_boottime_usec() };
        return &grown[at];
}

static bool is_name(const char *name)
{
        return name[0] >= 'a' && name[0] <= 'z' && strlen(name) <= NAME_MAX_LENGTH &&
               name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-")] == '\0';
}

/* The next NAME.json of a directory; hidden files (editors, our own temporary ones) do not count. */
static int next_name(DIR *dir, char **ret_name)
{
        struct dirent *entry;

        while ((entry = readdir(dir))) {
                size_t length = strlen(entry->d_name), suffix = strlen(SUFFIX);

                if (entry->d_name[0] == '.' || length <= suffix ||
                    strcmp(entry->d_name + length - suffix, SUFFIX) != 0)
                        continue;
                *ret_name = strndup(entry->d_name, length - suffix);
                return *ret_name ? 1 : -ENOMEM;
        }
        return 0;
}

static int name_unit(struct capability *capability, struct units *units)
{
        _cleanup_free_ char *name = NULL;

        if (capability->unit || !is_name(capability->name))
                return 0;
        if (asprintf(&name, "capi-node-%s.service", capability->name) < 0) {
                name = NULL;
                return -ENOMEM;
        }
        capability->unit = units_get(units, name);
        return capability->unit ? 0 : -ENOMEM;
}

/* Marks all names that a directory lists, by mark(); a directory that is not there lists none. */
static int scan_names(struct capabilities *capabilities, struct units *units, const char *directory,
                      void (*mark)(struct capability *capability))
{
        _cleanup_(closedirp) DIR *dir = opendir(directory);
        int r;

        if (!dir)
                return errno == ENOENT ? 0 : -errno;
        for (;;) {
                _cleanup_free_ char *name = NULL;
                struct capability *capability;

                r = next_name(dir, &name);
                if (r <= 0)
                        return r;
                capability = capabilities_get(capabilities, name);
                if (!capability)
                        return -ENOMEM;
                r = name_unit(capability, units);
                if (r < 0)
                        return r;
                mark(capability);
        }
}

static void mark_configured(struct capability *capability)
{
        capability->configured = true;
}

static void mark_reported(struct capability *capability)
{
        (void)capability; /* that it is listed at all is enough */
}

/* STATE/NAME/applied without a configuration: the plugin was down when its file went, and has something to
 * undo. */
static int scan_applied(struct capabilities *capabilities, struct units *units, const char *state_dir)
{
        _cleanup_(closedirp) DIR *dir = opendir(state_dir);
        struct dirent *entry;
        int r;

        if (!dir)
                return errno == ENOENT ? 0 : -errno;
        while ((entry = readdir(dir))) {
                _cleanup_free_ char *path = NULL;
                struct capability *capability;

                if (!is_name(entry->d_name))
                        continue;
                if (asprintf(&path, "%s/%s/applied", state_dir, entry->d_name) < 0) {
                        path = NULL;
                        return -ENOMEM;
                }
                if (access(path, F_OK) < 0)
                        continue;
                capability = capabilities_get(capabilities, entry->d_name);
                if (!capability)
                        return -ENOMEM;
                r = name_unit(capability, units);
                if (r < 0)
                        return r;
                capability->applied = true;
        }
        return 0;
}

/* What one capability left in its state for another, which then runs without a configuration, too (also_for
 * in agent/lib/plugin.h). */
static const struct {
        const char *name, *file;
} lent[] = {
        { "registry-mirror", SHARED_AUTHORITIES_NAME },
};

static int scan_lent(struct capabilities *capabilities, struct units *units, const char *state_dir)
{
        for (size_t i = 0; i < ELEMENTS(lent); i++) {
                _cleanup_free_ char *path = NULL;
                struct capability *capability;
                int r;

                if (asprintf(&path, "%s/%s", state_dir, lent[i].file) < 0) {
                        path = NULL;
                        return -ENOMEM;
                }
                if (access(path, F_OK) < 0)
                        continue;
                capability = capabilities_get(capabilities, lent[i].name);
                if (!capability)
                        return -ENOMEM;
                r = name_unit(capability, units);
                if (r < 0)
                        return r;
                mark_configured(capability);
        }
        return 0;
}

static void forget_error(struct capability *capability)
{
        free(capability->report_error);
        capability->report_error = NULL;
}

static void take_report(struct capability *capability, struct report *report)
{
        uint64_t now = now_realtime_usec(), age = 0;

        /* A report that was there before the agent came is as old as its writer says, unless a clock was set
         * between. */
        if (!capability->report && now > report->generated_usec)
                age = now - report->generated_usec;
        capability->seen_usec = now_boottime_usec();
        capability->seen_usec -= age < capability->seen_usec ? age : capability->seen_usec;
        if (capability->report && capability->report->pid != report->pid)
                capability->restarts++;
        report_free(capability->report);
        capability->report = report;
        forget_error(capability);
}

static int parse_report(const struct capability *capability, const char *text, size_t size,
                        struct report **ret, struct failure *failure)
{
        _cleanup_(report_freep) struct report *report = NULL;
        int r;

        r = report_parse_condensed(text, size, capability->report, &report, failure);
        if (r >= 0 && strcmp(report->plugin, capability->name) != 0)
                r = failure_set(failure, -EINVAL, "InvalidReport", "\"plugin\" is \"%.64s\"", report->plugin);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(report);
        return 0;
}

/* Takes the report if it is one. Returns 1 when there is news, 0 when not. */
static int read_report(struct capability *capability, const char *path, struct failure *failure)
{
        _cleanup_(report_freep) struct report *report = NULL;
        _cleanup_free_ char *text = NULL;
        bool waited = !capability->report || capability->report_error || capability->distrust;
        uint64_t mark;
        size_t size;
        int r;

        r = report_read(path, &text, &size, failure);
        if (r < 0)
                return r;
        mark = report_mark(text, size);
        if (!waited && mark == capability->report_mark) {
                capability->seen_usec = now_boottime_usec();
                return 0;
        }
        r = parse_report(capability, text, size, &report, failure);
        if (r < 0)
                return r;
        r = waited || report_is_news(capability->report, report);
        take_report(capability, TAKE_PTR(report));
        capability->report_mark = mark;
        return r;
}

enum report_change { REPORT_UNCHANGED, REPORT_RENEWED, REPORT_NEWS };

static enum report_change load_report(struct capability *capability, const char *reports_dir)
{
        _cleanup_failure_ failure = {};
        _cleanup_free_ char *path = NULL;
        struct file_stamp stamp;
        int r;

        if (asprintf(&path, "%s/%s" SUFFIX, reports_dir, capability->name) < 0) {
                path = NULL;
                return REPORT_UNCHANGED;
        }
        file_stamp_read(path, &stamp);
        if (file_stamp_same(&stamp, &capability->report_stamp))
                return REPORT_UNCHANGED;
        capability->report_stamp = stamp;
        if (stamp.inode == 0) {
                capability->report = report_free(capability->report);
                forget_error(capability);
                return REPORT_NEWS;
        }
        r = read_report(capability, path, &failure);
        if (r >= 0)
                return r > 0 ? REPORT_NEWS : REPORT_RENEWED;
        /* The report before stays, and grows old. */
        forget_error(capability);
        capability->report_error = strdup(failure.message ? failure.message : strerror(-r));
        log_message(LOG_ERR, MESSAGE_PLUGIN_SILENT, "%s is not a report: %s", path, capability->report_error);
        return REPORT_NEWS;
}

/* Whether a directory lists a report of somebody who is not known. */
static bool has_stranger(const struct capabilities *capabilities, const char *reports_dir)
{
        _cleanup_(closedirp) DIR *dir = opendir(reports_dir);

        while (dir) {
                _cleanup_free_ char *name = NULL;

                if (next_name(dir, &name) <= 0)
                        return false;
                if (!capabilities_find(capabilities, name))
                        return true;
        }
        return false;
}

bool capabilities_renew(struct capabilities *capabilities, const char *reports_dir)
{
        bool renewed = false, news = false;

        for (size_t i = 0; i < capabilities->count; i++) {
                enum report_change change = REPORT_UNCHANGED;

                if (!capabilities->items[i].own)
                        change = load_report(&capabilities->items[i], reports_dir);
                renewed |= change == REPORT_RENEWED;
                news |= change == REPORT_NEWS;
        }
        /* A stranger who comes in the moment of a renewal is met at the next one. */
        return news || (!renewed && has_stranger(capabilities, reports_dir));
}

static bool is_gone(const struct capability *capability)
{
        if (capability->configured || capability->applied)
                return false;
        return capability->own || (!capability->report && !capability->report_error);
}

/* Those that have left nothing on the node: neither a configuration, nor something applied, nor a report of a
 * plugin. */
static void forget_gone(struct capabilities *capabilities)
{
        size_t kept = 0;

        for (size_t i = 0; i < capabilities->count; i++) {
                struct capability *capability = &capabilities->items[i];

                if (is_gone(capability))
                        capability_clear(capability);
                else
                        capabilities->items[kept++] = *capability;
        }
        capabilities->count = kept;
}

int capabilities_scan(struct capabilities *capabilities, struct units *units, const char *config_dir,
                      const char *state_dir, const char *reports_dir)
{
        int r;

        for (size_t i = 0; i < capabilities->count; i++) {
                capabilities->items[i].configured = false;
                capabilities->items[i].applied = false;
        }
        r = scan_names(capabilities, units, config_dir, mark_configured);
        if (r < 0)
                return r;
        r = scan_names(capabilities, units, reports_dir, mark_reported);
        if (r < 0)
                return r;
        r = scan_applied(capabilities, units, state_dir);
        if (r < 0)
                return r;
        r = scan_lent(capabilities, units, state_dir);
        if (r < 0)
                return r;
        for (size_t i = 0; i < capabilities->count; i++) {
                struct capability *capability = &capabilities->items[i];

                if (!capability->own)
                        (void)load_report(capability, reports_dir);
                if (!capability->configured)
                        capability->since_usec = now_boottime_usec();
        }
        forget_gone(capabilities);
        return 0;
}

/* A report without anything desired or claimed: the plugin took back what it did and ended. */
static bool is_disabled(const struct report *report)
{
        return !report->desired && !report->applied && !report->last_error && report->n_conditions == 0;
}

const char *capability_distrust(const struct capability *capability, uint64_t now_usec)
{
        const struct report *report = capability->report;
        bool disabled = report && is_disabled(report);

        if (capability->own || (!capability->configured && (!report || disabled)))
                return NULL;
        if (!report || disabled)
                return now_usec - capability->since_usec > FIRST_REPORT_USEC ? "PluginSilent" : NULL;
        if (now_usec - capability->seen_usec <= report->valid_for_usec)
                return NULL;
        if (capability->unit &&
            (capability->unit->activity == UNIT_ACTIVE || capability->unit->activity == UNIT_UNKNOWN))
                return "PluginLate";
        return "PluginDead";
}

uint64_t capabilities_expiry(const struct capabilities *capabilities, uint64_t now_usec)
{
        uint64_t expiry = UINT64_MAX;

        for (size_t i = 0; i < capabilities->count; i++) {
                const struct capability *capability = &capabilities->items[i];
                const struct report *report = capability->report;
                bool spoke = report && !is_disabled(report);
                uint64_t end = spoke ? capability->seen_usec + report->valid_for_usec
                                     : capability->since_usec + FIRST_REPORT_USEC;

                if (!capability->own && (spoke || capability->configured) && end >= now_usec && end < expiry)
                        expiry = end;
        }
        return expiry;
}

bool capabilities_awaited(const struct capabilities *capabilities, uint64_t now_usec)
{
        for (size_t i = 0; i < capabilities->count; i++) {
                const struct capability *capability = &capabilities->items[i];

                if (capability->configured && !capability->own && !capability->report &&
                    !capability_distrust(capability, now_usec))
                        return true;
        }
        return false;
}

static char *format(const char *text, ...) _printf_(1, 2);
static char *format(const char *text, ...)
{
        va_list arguments;
        char *line;
        int r;

        va_start(arguments, text);
        r = vasprintf(&line, text, arguments);
        va_end(arguments);
        return r < 0 ? NULL : line;
}

static char *missing_message(const struct capability *capability)
{
        static const char *const names[] = { "agent", "etcd-backup", "gateway", "node-health" };
        const char *nearest = nearest_name(capability->name, names, ELEMENTS(names));

        return format("no capability is called \"%.64s\": capi-node-%.64s.service is not installed%s%s%s",
                      capability->name, capability->name, nearest ? "; did you mean \"" : "",
                      nearest ? nearest : "", nearest ? ".json\"?" : "");
}

static char *silent_message(const struct capability *capability, uint64_t now_usec)
{
        uint64_t since = capability->report ? capability->seen_usec : capability->since_usec;
        const char *status = capability->unit ? capability->unit->status_text : NULL;
        char age[QUANTITY_SIZE];

        return format("no %sreport for %s; see systemctl status capi-node-%s.service%s%s",
                      capability->report ? "new " : "", duration_format_human(now_usec - since, age),
                      capability->name, status ? ", which says: " : "", status ? status : "");
}

enum capability_state capability_state(const struct capability *capability, uint64_t now_usec,
                                       char **ret_message)
{
        const struct report *report = capability->report;

        *ret_message = NULL;
        if (capability->configured && !report &&
            (!capability->unit || capability->unit->activity == UNIT_MISSING)) {
                *ret_message = missing_message(capability);
                return CAPABILITY_FAILED;
        }
        if (capability->report_error) {
                *ret_message = format("its report is not valid: %s", capability->report_error);
                return CAPABILITY_FAILED;
        }
        if (capability->configured && capability->unit && capability->unit->error) {
                *ret_message = format("systemd does not start %s: %s", capability->unit->name,
                                      capability->unit->error);
                return CAPABILITY_FAILED;
        }
        if (capability_distrust(capability, now_usec)) {
                *ret_message = silent_message(capability, now_usec);
                return CAPABILITY_SILENT;
        }
        if (report && report->last_error) {
                *ret_message = strdup(report->last_error);
                return CAPABILITY_FAILED;
        }
        if (capability->request_error) {
                *ret_message = strdup(capability->request_error);
                return CAPABILITY_FAILED;
        }
        if (!report || is_disabled(report)) {
                if (!capability->configured)
                        return CAPABILITY_DISABLED;
                *ret_message = strdup("starting");
                return CAPABILITY_PENDING;
        }
        if (report->desired && (!report->applied || strcmp(report->desired, report->applied) != 0)) {
                *ret_message = strdup("the new configuration is not applied yet");
                return CAPABILITY_PENDING;
        }
        return CAPABILITY_IN_FORCE;
}

bool capability_wants_unit(const struct capability *capability)
{
        return !capability->own && capability->unit && (capability->configured || capability->applied);
}
