/* SPDX-License-Identifier: Apache-2.0 */

#include "last-change.h"

#include <string.h>

#include "json-file.h"
#include "timestamp.h"

#define RECORD_SIZE_MAX 4096

static char *record_path(const char *state_dir, const char *name)
{
        char *path;

        return asprintf(&path, "%s/%s.json", state_dir, name) < 0 ? NULL : path;
}

int last_change_load(const char *state_dir, const char *name, struct last_change *ret)
{
        _cleanup_free_ char *path = record_path(state_dir, name);
        _cleanup_json_ json_object *object = NULL;
        const char *of, *at, *boot;
        struct last_change change = {};
        int r;

        if (!path)
                return -ENOMEM;
        r = json_load(path, RECORD_SIZE_MAX, &object);
        if (r < 0)
                return r;
        of = json_string(object, "of");
        at = json_string(object, "changedAt");
        boot = json_string(object, "bootId");
        if (!of || strlen(of) >= sizeof(change.of) || !at || !boot)
                return -EINVAL;
        strcpy(change.of, of);
        r = timestamp_parse(at, &change.realtime_usec);
        if (r < 0)
                return r;
        if (strcmp(boot, boot_id()) == 0)
                change.boottime_usec = (uint64_t)json_integer(object, "boottimeUsec", 0);
        *ret = change;
        return 0;
}

int last_change_save(const char *state_dir, const char *name, const char *of)
{
        _cleanup_free_ char *path = record_path(state_dir, name);
        _cleanup_json_ json_object *object = json_object_new_object();
        char at[TIMESTAMP_SIZE];
        int r = 0;

        if (!path || !object)
                return -ENOMEM;
        r |= json_set_string(object, "of", of);
        r |= json_set_string(object, "changedAt", timestamp_format(now_realtime_usec(), at));
        r |= json_set_string(object, "bootId", boot_id());
        r |= json_set_integer(object, "boottimeUsec", (int64_t)now_boottime_usec());
        return r == 0 ? json_save(path, object) : -ENOMEM;
}

int last_change_forget(const char *state_dir, const char *name)
{
        _cleanup_free_ char *path = record_path(state_dir, name);

        if (!path)
                return -ENOMEM;
        return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}
