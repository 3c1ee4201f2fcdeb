/* SPDX-License-Identifier: Apache-2.0 */

#include "status-screen.h"

#include <string.h>

#include "quantity.h"
#include "timestamp.h"

#define MESSAGE_INDENT   4
#define CERTIFICATES_MAX 3 /* those that expire first */

static enum colour colour_of(const char *word)
{
        static const struct {
                const char *word;
                enum colour colour;
        } colours[] = {
                { "Healthy", GREEN },   { "InForce", GREEN },  { "OK", GREEN },    { "Proven", GREEN },
                { "Degraded", YELLOW }, { "Skipped", YELLOW }, { "Warn", YELLOW }, { "Pending", YELLOW },
                { "Unknown", YELLOW },  { "Disabled", PLAIN },
        };

        for (size_t i = 0; i < ELEMENTS(colours); i++)
                if (strcmp(colours[i].word, word) == 0)
                        return colours[i].colour;
        return RED;
}

static const char *text(json_object *object, const char *key)
{
        const char *value = json_string(object, key);

        return value ? value : "-";
}

static size_t count(json_object *array)
{
        return array ? json_object_array_length(array) : 0;
}

/* ---- times ---- */

static const char *round_duration(uint64_t usec, char buffer[static QUANTITY_SIZE])
{
        return duration_format_human(usec - usec % USEC_PER_SEC, buffer);
}

/* How long ago a time was, or "-". */
static const char *ago(const struct status_files *files, json_object *object, const char *key,
                       char buffer[static QUANTITY_SIZE])
{
        const char *value = json_string(object, key);
        uint64_t then;

        if (!value || timestamp_parse(value, &then) < 0)
                return "-";
        return round_duration(files->now_usec > then ? files->now_usec - then : 0, buffer);
}

#define AHEAD_SIZE (QUANTITY_SIZE + 8)

#define DAYS_FROM_USEC (3 * USEC_PER_DAY) /* a certificate's weeks say less */

/* "in 5m", "in 30 days", "5m ago" or "-". */
static const char *ahead(const struct status_files *files, json_object *object, const char *key,
                         char buffer[static AHEAD_SIZE])
{
        const char *value = json_string(object, key);
        char duration[QUANTITY_SIZE];
        uint64_t then;

        if (!value || timestamp_parse(value, &then) < 0)
                return "-";
        if (then > files->now_usec && then - files->now_usec >= DAYS_FROM_USEC)
                (void)snprintf(buffer, AHEAD_SIZE, "in %u days",
                               (unsigned)((then - files->now_usec) / USEC_PER_DAY));
        else if (then > files->now_usec)
                (void)snprintf(buffer, AHEAD_SIZE, "in %s", round_duration(then - files->now_usec, duration));
        else
                (void)snprintf(buffer, AHEAD_SIZE, "%s ago",
                               round_duration(files->now_usec - then, duration));
        return buffer;
}

/* Whether what has generatedAt and validFor is to be believed still. */
static bool is_fresh(const struct status_files *files, json_object *object)
{
        const char *time = json_string(object, "generatedAt"), *valid_for = json_string(object, "validFor");
        uint64_t then, duration;

        return time && valid_for && timestamp_parse(time, &then) == 0 &&
               duration_parse(valid_for, &duration) == 0 && files->now_usec < then + duration;
}

bool status_is_current(const struct status_files *files)
{
        const char *boot = json_string(files->document, "bootId");

        return boot && strcmp(boot, files->boot_id) == 0 && is_fresh(files, files->document);
}

/* ---- conditions ---- */

static void print_condition(const struct screen *screen, const struct status_files *files,
                            json_object *condition)
{
        json_object *healthy = json_member(condition, "healthy", json_type_boolean);
        bool good = healthy && json_object_get_boolean(healthy);
        bool fatal = strcmp(text(condition, "severity"), "Fatal") == 0;
        char age[QUANTITY_SIZE];

        screen_column(screen, text(condition, "type"), 24, PLAIN);
        screen_column(screen, text(condition, "status"), 8, good ? GREEN : healthy && fatal ? RED : YELLOW);
        screen_column(screen, ago(files, condition, "lastTransitionTime", age), 10, PLAIN);
        screen_text(screen, text(condition, "reason"), 45, 45, PLAIN);
        if (good)
                return;
        fprintf(screen->stream, "%*s", MESSAGE_INDENT, "");
        screen_text(screen, text(condition, "message"), MESSAGE_INDENT, MESSAGE_INDENT, PLAIN);
}

static void print_conditions(const struct screen *screen, const struct status_files *files)
{
        json_object *conditions = json_member(files->document, "conditions", json_type_array);

        screen_heading(screen, "CONDITION                STATUS   SINCE      REASON");
        for (size_t i = 0; i < count(conditions); i++)
                print_condition(screen, files, json_object_array_get_idx(conditions, i));
        /* Without an agent the plugins' own words are the best there is. */
        for (size_t i = 0; !files->document && i < count(files->reports); i++) {
                json_object *report = json_object_array_get_idx(files->reports, i);

                conditions = json_member(report, "conditions", json_type_array);
                for (size_t k = 0; k < count(conditions); k++)
                        print_condition(screen, files, json_object_array_get_idx(conditions, k));
        }
}

/* ---- capabilities ---- */

#define DIGEST_SHOWN 8 /* enough to tell two apart */

static const char *digest(json_object *capability, const char *key)
{
        const char *value = json_string(capability, key), *colon = value ? strchr(value, ':') : NULL;

        return colon ? colon + 1 : value;
}

static void print_digests(const struct screen *screen, json_object *capability)
{
        const char *desired = digest(capability, "desired"), *applied = digest(capability, "applied");

        if (desired && applied && strcmp(desired, applied) != 0)
                fprintf(screen->stream, "%.*s, in force is %.*s\n", DIGEST_SHOWN, desired, DIGEST_SHOWN,
                        applied);
        else
                fprintf(screen->stream, "%.*s%s\n", DIGEST_SHOWN, applied ?: desired ?: "-",
                        desired && !applied ? ", not applied" : "");
}

static void print_capabilities(const struct screen *screen, const struct status_files *files)
{
        json_object *capabilities = json_member(files->document, "capabilities", json_type_array);
        char age[QUANTITY_SIZE];

        if (count(capabilities) == 0)
                return;
        screen_heading(screen, "CAPABILITY               STATE    APPLIED    CONFIGURATION");
        for (size_t i = 0; i < count(capabilities); i++) {
                json_object *capability = json_object_array_get_idx(capabilities, i);
                const char *state = text(capability, "state"), *error = json_string(capability, "lastError");

                screen_column(screen, text(capability, "name"), 24, PLAIN);
                screen_column(screen, state, 8, colour_of(state));
                screen_column(screen, ago(files, capability, "appliedAt", age), 10, PLAIN);
                print_digests(screen, capability);
                if (!error)
                        continue;
                fprintf(screen->stream, "%*s", MESSAGE_INDENT, "");
                screen_text(screen, error, MESSAGE_INDENT, MESSAGE_INDENT, PLAIN);
        }
}

/* ---- checks ---- */

static void print_checks(const struct screen *screen, const struct status_files *files)
{
        json_object *checks = json_member(files->document, "checks", json_type_array);
        char age[QUANTITY_SIZE], title[80];
        size_t good = 0;

        for (size_t i = 0; i < count(checks); i++)
                good += strcmp(text(json_object_array_get_idx(checks, i), "status"), "OK") == 0;
        if (count(checks) == 0)
                return;
        (void)snprintf(title, sizeof(title), "CHECK (%zu of %zu OK)", good, count(checks));
        if (good < count(checks))
                (void)snprintf(title + strlen(title), sizeof(title) - strlen(title), "%*s STATUS   SINCE",
                               24 - (int)strlen(title), "");
        screen_heading(screen, title);
        for (size_t i = 0; i < count(checks); i++) {
                json_object *check = json_object_array_get_idx(checks, i);
                const char *status = text(check, "status");

                if (strcmp(status, "OK") == 0)
                        continue;
                screen_column(screen, text(check, "name"), 24, PLAIN);
                screen_column(screen, status, 8, colour_of(status));
                screen_column(screen, ago(files, check, "since", age), 10, PLAIN);
                screen_text(screen, text(check, "message"), 45, MESSAGE_INDENT, PLAIN);
        }
}

/* ---- what the plugins know ---- */

static json_object *info_of(json_object *report)
{
        return json_member(report, "info", json_type_object);
}

/* A heading that says how old the report is when it is too old. */
static void heading_of(const struct screen *screen, const struct status_files *files, json_object *report,
                       const char *title)
{
        char age[QUANTITY_SIZE], line[160];

        if (is_fresh(files, report))
                (void)snprintf(line, sizeof(line), "%s", title);
        else
                (void)snprintf(line, sizeof(line), "%s (reported %s ago)", title,
                               ago(files, report, "generatedAt", age));
        screen_heading(screen, line);
}

/* What the last restore drill came to: the proof that a copy is one. */
static void print_drill(const struct screen *screen, const struct status_files *files, json_object *drill)
{
        const char *result = text(drill, "result");
        char age[QUANTITY_SIZE];

        screen_column(screen, "restore drill", 24, PLAIN);
        screen_column(screen, ago(files, drill, "finishedAt", age), 10, PLAIN);
        screen_text(screen, result, 36, 36, colour_of(result));
        fprintf(screen->stream, "%*s", MESSAGE_INDENT, "");
        screen_text(screen, text(drill, "message"), MESSAGE_INDENT, MESSAGE_INDENT, PLAIN);
}

static void print_backups(const struct screen *screen, const struct status_files *files, json_object *report)
{
        json_object *copies = json_member(info_of(report), "copies", json_type_array);
        json_object *drill = json_member(info_of(report), "drill", json_type_object);

        if (!copies)
                return;
        heading_of(screen, files, report, "BACKUP                   AGE        NEWEST VERIFIED COPY");
        if (count(copies) == 0)
                screen_text(screen, "no verified copy; take one: capi-node etcd-backup snapshot", 0, 0, RED);
        for (size_t i = 0; i < count(copies); i++) {
                json_object *copy = json_object_array_get_idx(copies, i);
                char age[QUANTITY_SIZE];

                screen_column(screen, text(copy, "target"), 24, PLAIN);
                screen_column(screen, ago(files, copy, "finishedAt", age), 10, PLAIN);
                fprintf(screen->stream, "revision %lld, sha256 %.12s\n%*s",
                        (long long)json_integer(copy, "revision", 0), text(copy, "sha256"), MESSAGE_INDENT,
                        "");
                screen_text(screen, text(copy, "newest"), MESSAGE_INDENT, MESSAGE_INDENT, PLAIN);
        }
        if (drill)
                print_drill(screen, files, drill);
}

static int compare_expiry(const void *a, const void *b)
{
        return strcmp(text(*(json_object *const *)a, "notAfter"), text(*(json_object *const *)b, "notAfter"));
}

static void print_certificates(const struct screen *screen, const struct status_files *files,
                               json_object *report)
{
        json_object *certificates = json_member(info_of(report), "certificates", json_type_array);
        char when[AHEAD_SIZE];

        if (count(certificates) == 0)
                return;
        json_object_array_sort(certificates, compare_expiry);
        heading_of(screen, files, report, "EXPIRES          CERTIFICATE");
        for (size_t i = 0; i < count(certificates) && i < CERTIFICATES_MAX; i++) {
                json_object *certificate = json_object_array_get_idx(certificates, i);

                screen_column(screen, ahead(files, certificate, "notAfter", when), 16, PLAIN);
                screen_text(screen, text(certificate, "path"), 17, 17, PLAIN);
        }
        if (count(certificates) > CERTIFICATES_MAX)
                fprintf(screen->stream, "and %zu that expire later\n",
                        count(certificates) - CERTIFICATES_MAX);
}

/* Facts of any capability in one paragraph: its plain values, and how many things its lists hold. */
static void print_facts(const struct screen *screen, const struct status_files *files, json_object *report)
{
        _cleanup_free_ char *line = NULL;
        char age[QUANTITY_SIZE];
        size_t size;
        FILE *stream = open_memstream(&line, &size);
        const char *separator = "";

        if (!stream)
                return;
        if (!is_fresh(files, report)) {
                fprintf(stream, "(reported %s ago)", ago(files, report, "generatedAt", age));
                separator = " ";
        }
        json_object_object_foreach (info_of(report), name, value) {
                if (json_object_is_type(value, json_type_array))
                        fprintf(stream, "%s%s: %zu", separator, name, json_object_array_length(value));
                else if (value && !json_object_is_type(value, json_type_object))
                        fprintf(stream, "%s%s: %s", separator, name, json_object_get_string(value));
                else
                        continue;
                separator = ", ";
        }
        if (fclose(stream) != 0 || !line || !*line)
                return;
        screen_column(screen, text(report, "plugin"), 24, PLAIN);
        screen_text(screen, line, 25, MESSAGE_INDENT, PLAIN);
}

/* Those that have no section of their own: the filter's and the mirror's state, say. */
static void print_states(const struct screen *screen, const struct status_files *files)
{
        bool begun = false;

        for (size_t i = 0; i < count(files->reports); i++) {
                json_object *report = json_object_array_get_idx(files->reports, i), *info = info_of(report);

                if (!info || json_member(info, "copies", json_type_array) ||
                    json_member(info, "certificates", json_type_array))
                        continue;
                if (!begun)
                        screen_heading(screen, "STATE");
                begun = true;
                print_facts(screen, files, report);
        }
}

static void print_timers(const struct screen *screen, const struct status_files *files)
{
        json_object *timers = json_member(files->document, "timers", json_type_array);
        char when[AHEAD_SIZE];

        if (count(timers) == 0)
                return;
        screen_heading(screen, "NEXT             TIMER");
        for (size_t i = 0; i < count(timers); i++) {
                json_object *timer = json_object_array_get_idx(timers, i);
                const char *next = json_string(timer, "next");

                screen_column(screen, next ? ahead(files, timer, "next", when) : "does not run", 16,
                              next ? PLAIN : RED);
                screen_column(screen, text(timer, "unit"), 0, PLAIN);
                fprintf(screen->stream, "(%s)\n", text(timer, "calendar"));
        }
}

static void print_versions(const struct screen *screen, const struct status_files *files)
{
        json_object *versions = json_member(files->document, "versions", json_type_object);
        _cleanup_free_ char *line = NULL;
        const char *separator = "";
        size_t size;
        FILE *stream;

        if (!versions || json_object_object_length(versions) == 0)
                return;
        stream = open_memstream(&line, &size);
        if (!stream)
                return;
        json_object_object_foreach (versions, name, value) {
                if (!value)
                        continue;
                fprintf(stream, "%s%s %s", separator, name, json_object_get_string(value));
                separator = ", ";
        }
        if (fclose(stream) != 0 || !line)
                return;
        fputc('\n', screen->stream);
        screen_text(screen, line, 0, 0, PLAIN);
}

/* ---- the whole ---- */

static const char *print_head(const struct screen *screen, const struct status_files *files)
{
        const char *node = json_string(files->document, "node"), *status = text(files->document, "status");
        bool current = status_is_current(files);
        char age[QUANTITY_SIZE];

        if (!files->document) {
                screen_text(
                        screen,
                        "The agent has not reported: what follows is what the plugins say. It starts when "
                        "/etc/capi-node-agent holds a configuration; type: systemctl status "
                        "capi-node-agent.path capi-node-agent.service",
                        0, 0, RED);
                return "Unknown";
        }
        if (!current)
                status = "Unknown";
        screen_column(screen, node ?: text(files->document, "hostname"), 0, BOLD);
        fprintf(screen->stream, "(%s)  ", text(files->document, "phase"));
        screen_text(screen, status, 0, 0, colour_of(status));
        fprintf(screen->stream, "reported %s ago by agent %s\n",
                ago(files, files->document, "generatedAt", age), text(files->document, "agentVersion"));
        if (!current)
                screen_text(
                        screen,
                        "The agent does not renew its report: what follows is old. Type: systemctl status "
                        "capi-node-agent.service",
                        0, 0, RED);
        return status;
}

const char *status_print(const struct screen *screen, const struct status_files *files)
{
        const char *status = print_head(screen, files);

        print_conditions(screen, files);
        print_capabilities(screen, files);
        for (size_t i = 0; i < count(files->reports); i++)
                print_backups(screen, files, json_object_array_get_idx(files->reports, i));
        print_timers(screen, files);
        for (size_t i = 0; i < count(files->reports); i++)
                print_certificates(screen, files, json_object_array_get_idx(files->reports, i));
        print_states(screen, files);
        print_checks(screen, files);
        print_versions(screen, files);
        return status;
}
