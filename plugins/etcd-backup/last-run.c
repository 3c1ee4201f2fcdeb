/* SPDX-License-Identifier: Apache-2.0 */

#include "last-run.h"

#include <string.h>

#include "copies.h"
#include "json-file.h"

#define FILE_SIZE_MAX (64 * 1024)

void last_run_clear(struct last_run *run)
{
        free(run->reason);
        free(run->message);
        member_list_clear(&run->members);
        free(run->held);
        *run = (struct last_run){};
}

static int get_count(json_object *object, const char *key, uint64_t *ret)
{
        int64_t value = json_integer(object, key, -1);

        if (value < 0)
                return -EINVAL;
        *ret = (uint64_t)value;
        return 0;
}

static int parse(json_object *object, struct last_run *run)
{
        const char *reason = json_string(object, "reason"), *message = json_string(object, "message"),
                   *result = json_string(object, "result"), *held = json_string(object, "retentionHeld");
        int r;

        if (!result || !reason || !message)
                return -EINVAL;
        run->success = strcmp(result, "Success") == 0;
        run->reason = strdup(reason);
        run->message = strdup(message);
        if (!run->reason || !run->message)
                return -ENOMEM;

        r = get_count(object, "durationUsec", &run->duration_usec);
        if (r < 0)
                return r;
        r = get_count(object, "runs", &run->runs);
        if (r < 0)
                return r;
        r = get_count(object, "failures", &run->failures);
        if (r < 0)
                return r;
        r = get_count(object, "sequence", &run->sequence);
        if (r < 0)
                return r;
        run_stages_read(object, run->stage_usec);
        failure_counts_read(object, &run->reasons);
        if (held) {
                run->held = strdup(held);
                if (!run->held)
                        return -ENOMEM;
        }
        r = member_list_read(object, &run->members);
        if (r < 0 && r != -ENOENT)
                return r;
        return moment_read(object, "finished", &run->finished);
}

int last_run_load(const char *state_dir, struct last_run *ret)
{
        _cleanup_free_ char *path = copy_path(state_dir, LAST_RUN_FILE, "");
        _cleanup_json_ json_object *object = NULL;
        _cleanup_last_run_ run = {};
        int r;

        if (!path)
                return -ENOMEM;
        r = json_load(path, FILE_SIZE_MAX, &object);
        if (r < 0)
                return r;
        r = parse(object, &run);
        if (r < 0)
                return r;

        *ret = run;
        run = (struct last_run){};
        return 0;
}

static int format(const struct last_run *run, json_object *object)
{
        int r;

        r = json_set_string(object, "result", run->success ? "Success" : "Failure");
        if (r < 0)
                return r;
        r = json_set_string(object, "reason", run->reason);
        if (r < 0)
                return r;
        r = json_set_string(object, "message", run->message);
        if (r < 0)
                return r;
        r = moment_write(&run->finished, object, "finished");
        if (r < 0)
                return r;
        r = json_set_integer(object, "durationUsec", (int64_t)run->duration_usec);
        if (r < 0)
                return r;
        r = json_set_integer(object, "runs", (int64_t)run->runs);
        if (r < 0)
                return r;
        r = json_set_integer(object, "failures", (int64_t)run->failures);
        if (r < 0)
                return r;
        r = json_set_integer(object, "sequence", (int64_t)run->sequence);
        if (r < 0)
                return r;
        r = run_stages_write(run->stage_usec, object);
        if (r < 0)
                return r;
        r = failure_counts_write(&run->reasons, object);
        if (r < 0)
                return r;
        if (run->held)
                r = json_set_string(object, "retentionHeld", run->held);
        if (r < 0)
                return r;
        return run->members.count > 0 ? member_list_write(&run->members, object) : 0;
}

int last_run_save(const char *state_dir, const struct last_run *run)
{
        _cleanup_json_ json_object *object = json_object_new_object();
        _cleanup_free_ char *path = copy_path(state_dir, LAST_RUN_FILE, "");
        int r;

        if (!object || !path)
                return -ENOMEM;
        r = format(run, object);
        if (r < 0)
                return r;
        return json_save(path, object);
}
