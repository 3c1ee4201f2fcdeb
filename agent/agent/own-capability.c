/* SPDX-License-Identifier: Apache-2.0 */

#include "own-capability.h"

#include <string.h>

#include "files.h"
#include "log.h"
#include "timestamp.h"

void own_file_clear(const struct config_type *type, struct own_file *file)
{
        config_free(type, file->config);
        free(file->text);
        *file = (struct own_file){};
}

int own_file_load(const struct config_type *type, const char *path, struct own_file *ret,
                  struct failure *failure)
{
        size_t size;
        int r;

        *ret = (struct own_file){};
        r = file_read(path, CONFIG_SIZE_MAX, &ret->text, &size);
        if (r == -ENOENT)
                return 0;
        if (r < 0)
                return failure_set(failure, r, "ConfigurationUnreadable", "cannot read %s: %s", path,
                                   strerror(-r));
        r = digest_text(ret->text, size, ret->desired);
        if (r < 0)
                return r;
        return config_parse(type, path, ret->text, size, &ret->config, failure);
}

static bool same(const char *a, const char *b)
{
        return a == b || (a && b && strcmp(a, b) == 0);
}

int own_report(struct capabilities *capabilities, const char *name, const char *desired, const char *applied,
               const char *error, const char *message_id)
{
        _cleanup_(report_freep) struct report *report = NULL;
        struct capability *capability;
        const struct report *before;
        int r;

        if (!capabilities_find(capabilities, name) && (!desired || !desired[0]) && !error)
                return 0;
        capability = capabilities_get(capabilities, name);
        if (!capability)
                return -ENOMEM;
        r = report_new(name, &report);
        if (r < 0)
                return r;
        before = capability->report;
        if (desired && desired[0] && !(report->desired = strdup(desired)))
                return -ENOMEM;
        if (applied && applied[0] && !(report->applied = strdup(applied)))
                return -ENOMEM;
        if (error && !(report->last_error = strdup(error)))
                return -ENOMEM;
        report->applied_usec = before && same(before->applied, report->applied) ? before->applied_usec
                               : report->applied                                ? now_realtime_usec()
                                                                                : 0;
        report->last_error_usec = error ? now_realtime_usec() : 0;
        if (error && !same(before ? before->last_error : NULL, error))
                log_message(LOG_ERR, message_id, "%s", error);
        else if (report->applied && !same(before ? before->applied : NULL, report->applied))
                log_message(LOG_NOTICE, MESSAGE_CONFIG_APPLIED, "Applied %s.json (%.19s…)", name,
                            report->applied);

        capability->own = true;
        report_free(capability->report);
        capability->report = TAKE_PTR(report);
        return 0;
}
