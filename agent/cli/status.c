/* SPDX-License-Identifier: Apache-2.0 */

#include "status.h"

#include <string.h>
#include <systemd/sd-event.h>

#include "command.h"
#include "file-watch.h"
#include "files.h"
#include "json.h"
#include "quantity.h"
#include "timestamp.h"

#define DOCUMENT_MAX       (4 * 1024 * 1024)
#define WATCH_REFRESH_USEC (5 * USEC_PER_SEC)

enum colour { PLAIN, BOLD, GREEN, YELLOW, RED };

static const char *const colour_codes[] = {
        [PLAIN] = "\033[0m",   [BOLD] = "\033[1m", [GREEN] = "\033[32m",
        [YELLOW] = "\033[33m", [RED] = "\033[31m",
};

/* no-color.org */
static const char *paint(enum colour colour)
{
        static int wanted = -1;

        if (wanted < 0)
                wanted = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
        return wanted ? colour_codes[colour] : "";
}

static enum colour colour_of(const char *word)
{
        static const struct {
                const char *word;
                enum colour colour;
        } colours[] = {
                { "Healthy", GREEN }, { "InForce", GREEN },  { "OK", GREEN },       { "Degraded", YELLOW },
                { "Warn", YELLOW },   { "Pending", YELLOW }, { "Unknown", YELLOW }, { "Disabled", PLAIN },
        };

        for (size_t i = 0; i < ELEMENTS(colours); i++)
                if (strcmp(colours[i].word, word) == 0)
                        return colours[i].colour;
        return RED;
}

/* A column of `width`, coloured without its padding counting the escape codes. */
static void print_word(const char *word, int width, enum colour colour)
{
        printf("%s%s%s%*s", paint(colour), word, paint(PLAIN),
               (int)strlen(word) < width ? width - (int)strlen(word) : 1, "");
}

static const char *text(json_object *object, const char *key)
{
        const char *value = json_string(object, key);

        return value ? value : "-";
}

static const char *ago(json_object *object, const char *key, char buffer[static QUANTITY_SIZE])
{
        const char *value = json_string(object, key);
        uint64_t then, now = now_realtime_usec();

        if (!value || timestamp_parse(value, &then) < 0)
                return "-";
        now = now > then ? now - then : 0;
        return duration_format_human(now - now % USEC_PER_SEC, buffer);
}

static void print_conditions(json_object *document)
{
        json_object *conditions = json_member(document, "conditions", json_type_array);
        char age[QUANTITY_SIZE];

        printf("\n%s%-24s %-8s %-10s %s%s\n", paint(BOLD), "CONDITION", "STATUS", "SINCE", "REASON",
               paint(PLAIN));
        for (size_t i = 0; conditions && i < json_object_array_length(conditions); i++) {
                json_object *condition = json_object_array_get_idx(conditions, i);
                json_object *healthy = json_member(condition, "healthy", json_type_boolean);
                bool good = healthy && json_object_get_boolean(healthy);
                bool fatal = strcmp(text(condition, "severity"), "Fatal") == 0;

                printf("%-24s ", text(condition, "type"));
                print_word(text(condition, "status"), 9, good ? GREEN : healthy && fatal ? RED : YELLOW);
                printf("%-10s %s\n    %s\n", ago(condition, "lastTransitionTime", age),
                       text(condition, "reason"), text(condition, "message"));
        }
}

static void print_capabilities(json_object *document)
{
        json_object *capabilities = json_member(document, "capabilities", json_type_array);
        char age[QUANTITY_SIZE];

        printf("\n%s%-24s %-8s %-10s %s%s\n", paint(BOLD), "CAPABILITY", "STATE", "APPLIED", "CONFIGURATION",
               paint(PLAIN));
        for (size_t i = 0; capabilities && i < json_object_array_length(capabilities); i++) {
                json_object *capability = json_object_array_get_idx(capabilities, i);

                printf("%-24s ", text(capability, "name"));
                print_word(text(capability, "state"), 9, colour_of(text(capability, "state")));
                printf("%-10s %.19s\n", ago(capability, "appliedAt", age), text(capability, "applied"));
                if (json_string(capability, "lastError"))
                        printf("    %s\n", json_string(capability, "lastError"));
        }
}

static void print_checks(json_object *document)
{
        json_object *checks = json_member(document, "checks", json_type_array);
        char age[QUANTITY_SIZE];

        if (!checks || json_object_array_length(checks) == 0)
                return;
        printf("\n%s%-24s %-8s %-10s%s\n", paint(BOLD), "CHECK", "STATUS", "SINCE", paint(PLAIN));
        for (size_t i = 0; i < json_object_array_length(checks); i++) {
                json_object *check = json_object_array_get_idx(checks, i);

                printf("%-24s ", text(check, "name"));
                print_word(text(check, "status"), 9, colour_of(text(check, "status")));
                printf("%-10s %s\n", ago(check, "since", age), text(check, "message"));
        }
}

static void print_versions(json_object *document)
{
        json_object *versions = json_member(document, "versions", json_type_object);
        const char *separator = "\n";

        if (!versions)
                return;
        json_object_object_foreach (versions, name, value) {
                if (!value)
                        continue;
                printf("%s%s %s", separator, name, json_object_get_string(value));
                separator = ", ";
        }
        if (separator[0] == ',')
                putchar('\n');
}

/* Whether the agent has renewed the document in time. A one-shot command can only go by the wall clock. */
static bool is_current(json_object *document)
{
        const char *time = json_string(document, "generatedAt"),
                   *valid_for = json_string(document, "validFor");
        const char *boot = json_string(document, "bootId");
        uint64_t then, duration, now = now_realtime_usec();

        return time && valid_for && boot && timestamp_parse(time, &then) == 0 &&
               duration_parse(valid_for, &duration) == 0 && strcmp(boot, boot_id()) == 0 &&
               now < then + duration;
}

static int print_document(json_object *document)
{
        const char *node = json_string(document, "node"), *status = text(document, "status");
        bool current = is_current(document);
        char age[QUANTITY_SIZE];

        if (!current)
                status = "Unknown";
        printf("%s%s%s (%s)  ", paint(BOLD), node ? node : text(document, "hostname"), paint(PLAIN),
               text(document, "phase"));
        print_word(status, 0, colour_of(status));
        printf("\nreported %s ago by agent %s\n", ago(document, "generatedAt", age),
               text(document, "agentVersion"));
        if (!current)
                printf("%sThe agent does not renew its report: what follows is old. Type: systemctl status "
                       "capi-node-agent.service%s\n",
                       paint(RED), paint(PLAIN));
        print_conditions(document);
        print_capabilities(document);
        print_checks(document);
        print_versions(document);
        return strcmp(status, "Healthy") == 0 || strcmp(status, "Degraded") == 0 ? EXIT_GOOD : EXIT_UNHEALTHY;
}

static int show_once(const char *path, bool json)
{
        _cleanup_json_ json_object *document = NULL;
        _cleanup_failure_ failure = {};
        _cleanup_free_ char *data = NULL;
        size_t size;
        int r;

        r = file_read(path, DOCUMENT_MAX, &data, &size);
        if (r == -ENOENT) {
                fprintf(stderr,
                        "The agent has not reported: there is no %s. It starts when /etc/capi-node-agent "
                        "holds a "
                        "configuration; type: systemctl status capi-node-agent.path "
                        "capi-node-agent.service\n",
                        path);
                return EXIT_UNHEALTHY;
        }
        if (r >= 0)
                r = json_parse(data, size, &document, &failure);
        if (r < 0) {
                fprintf(stderr, "cannot read %s: %s\n", path,
                        failure.message ? failure.message : strerror(-r));
                return EXIT_UNHEALTHY;
        }
        if (!json)
                return print_document(document);
        fputs(data, stdout);
        return is_current(document) ? EXIT_GOOD : EXIT_UNHEALTHY;
}

struct watching {
        const struct status_options *options;
        const char *path;
};

static void on_changed(void *userdata)
{
        const struct watching *watching = userdata;

        if (isatty(STDOUT_FILENO) && !watching->options->json)
                fputs("\033[H\033[J", stdout); /* ECMA-48: cursor home, erase to the end */
        (void)show_once(watching->path, watching->options->json);
        fflush(stdout);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
        const struct watching *watching = userdata;
        int r;

        /* On a terminal the ages go on; elsewhere only changes are printed. */
        if (isatty(STDOUT_FILENO) && !watching->options->json)
                on_changed(userdata);
        r = sd_event_source_set_time_relative(source, WATCH_REFRESH_USEC);
        if (r < 0)
                return r;
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int watch(const struct watching *watching)
{
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        _cleanup_(sd_event_source_disable_unrefp) sd_event_source *timer = NULL;
        _cleanup_(file_watch_freep) struct file_watch *file = NULL;
        int r;

        r = sd_event_new(&event);
        if (r < 0)
                return r;
        r = file_watch_new(event, watching->path, 0, on_changed, (void *)watching, &file);
        if (r < 0)
                return r;
        r = sd_event_add_time_relative(event, &timer, CLOCK_MONOTONIC, WATCH_REFRESH_USEC, 0, on_timer,
                                       (void *)watching);
        if (r < 0)
                return r;
        on_changed((void *)watching);
        return sd_event_loop(event);
}

int status_show(const struct status_options *options)
{
        _cleanup_free_ char *path =
                path_under(options->root ? options->root : "/", "/run/capi-node-agent/health.json");
        int r;

        if (!path)
                return EXIT_UNHEALTHY;
        if (!options->watch)
                return show_once(path, options->json);
        r = watch(&(struct watching){ options, path });
        if (r < 0)
                fprintf(stderr, "cannot watch %s: %s\n", path, strerror(-r));
        return EXIT_UNHEALTHY;
}
