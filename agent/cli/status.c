/* SPDX-License-Identifier: Apache-2.0 */

#include "status.h"

#include <string.h>
#include <systemd/sd-event.h>

#include "command.h"
#include "file-watch.h"
#include "files.h"
#include "json.h"
#include "quantity.h"
#include "status-screen.h"
#include "timestamp.h"

#define DOCUMENT_MAX       (4 * 1024 * 1024)
#define REPORT_MAX         (1024 * 1024)
#define REPORTS_MAX        64
#define WATCH_REFRESH_USEC (5 * USEC_PER_SEC)

static int load_json(const char *path, size_t max, json_object **ret, char **ret_text)
{
        _cleanup_json_ json_object *object = NULL;
        _cleanup_failure_ failure = {};
        _cleanup_free_ char *data = NULL;
        size_t size;
        int r;

        r = file_read(path, max, &data, &size);
        if (r >= 0)
                r = json_parse(data, size, &object, &failure);
        if (r >= 0 && !json_object_is_type(object, json_type_object))
                r = -EINVAL;
        if (r < 0) {
                if (r != -ENOENT)
                        fprintf(stderr, "cannot read %s: %s\n", path, failure.message ?: strerror(-r));
                return r;
        }
        *ret = TAKE_PTR(object);
        if (ret_text)
                *ret_text = TAKE_PTR(data);
        return 0;
}

static int compare_plugins(const void *a, const void *b)
{
        const char *left = json_string(*(json_object *const *)a, "plugin"),
                   *right = json_string(*(json_object *const *)b, "plugin");

        return strcmp(left ?: "", right ?: "");
}

/* All reports; one that cannot be read has its line on standard error and is left out. */
static json_object *load_reports(const char *root)
{
        _cleanup_free_ char *directory = path_under(root, "/run/capi-node-agent/reports");
        _cleanup_(closedirp) DIR *dir = directory ? opendir(directory) : NULL;
        json_object *reports = json_object_new_array();
        struct dirent *entry;

        while (reports && dir && (entry = readdir(dir)) && json_object_array_length(reports) < REPORTS_MAX) {
                _cleanup_free_ char *path = NULL;
                json_object *report;

                if (entry->d_name[0] == '.')
                        continue;
                if (asprintf(&path, "%s/%s", directory, entry->d_name) < 0) {
                        path = NULL;
                        break;
                }
                if (load_json(path, REPORT_MAX, &report, NULL) >= 0 && json_append(reports, report) < 0)
                        break;
        }
        if (reports)
                json_object_array_sort(reports, compare_plugins);
        return reports;
}

static bool is_well(const char *status)
{
        return strcmp(status, "Healthy") == 0 || strcmp(status, "Degraded") == 0;
}

static int show_once(const struct status_options *options, const char *path)
{
        _cleanup_json_ json_object *document = NULL, *reports = NULL;
        const struct screen screen = screen_open();
        _cleanup_free_ char *data = NULL;
        struct status_files files = { .now_usec = now_realtime_usec(), .boot_id = boot_id() };

        (void)load_json(path, DOCUMENT_MAX, &document, &data);
        files.document = document;
        if (!options->json) {
                files.reports = reports = load_reports(options->root ? options->root : "/");
                return is_well(status_print(&screen, &files)) ? EXIT_GOOD : EXIT_UNHEALTHY;
        }
        if (!data) {
                fprintf(stderr, "The agent has not reported: there is no %s\n", path);
                return EXIT_UNHEALTHY;
        }
        fputs(data, stdout);
        return status_is_current(&files) ? EXIT_GOOD : EXIT_UNHEALTHY;
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
        (void)show_once(watching->options, watching->path);
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
                return show_once(options, path);
        r = watch(&(struct watching){ options, path });
        if (r < 0)
                fprintf(stderr, "cannot watch %s: %s\n", path, strerror(-r));
        return EXIT_UNHEALTHY;
}
