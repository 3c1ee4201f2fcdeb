/* SPDX-License-Identifier: Apache-2.0 */

#include "last-change.h"

#include <string.h>

#include "files.h"
#include "json-file.h"
#include "timestamp.h"

#define RECORD_SIZE_MAX 4096
#define BUNDLE_SIZE_MAX (16 * 1024 * 1024)

static char *record_path(const char *state_dir)
{
        char *path;

        return asprintf(&path, "%s/changed.json", state_dir) < 0 ? NULL : path;
}

int last_change_load(const char *state_dir, struct last_change *ret)
{
        _cleanup_free_ char *path = record_path(state_dir);
        _cleanup_json_ json_object *object = NULL;
        const char *bundle, *at, *boot;
        struct last_change change = {};
        int r;

        if (!path)
                return -ENOMEM;
        r = json_load(path, RECORD_SIZE_MAX, &object);
        if (r < 0)
                return r;
        bundle = json_string(object, "bundle");
        at = json_string(object, "changedAt");
        boot = json_string(object, "bootId");
        if (!bundle || strlen(bundle) >= sizeof(change.bundle) || !at || !boot)
                return -EINVAL;
        strcpy(change.bundle, bundle);
        r = timestamp_parse(at, &change.realtime_usec);
        if (r < 0)
                return r;
        if (strcmp(boot, boot_id()) == 0)
                change.boottime_usec = (uint64_t)json_integer(object, "boottimeUsec", 0);
        *ret = change;
        return 0;
}

int last_change_save(const char *state_dir, const char *bundle_path)
{
        _cleanup_free_ char *path = record_path(state_dir), *bundle = NULL;
        _cleanup_json_ json_object *object = json_object_new_object();
        char digest[SHA256_TEXT_SIZE], at[TIMESTAMP_SIZE];
        size_t size;
        int r;

        if (!path || !object)
                return -ENOMEM;
        r = file_read(bundle_path, BUNDLE_SIZE_MAX, &bundle, &size);
        if (r >= 0)
                r = digest_text(bundle, size, digest);
        if (r >= 0)
                r = json_set_string(object, "bundle", digest);
        if (r >= 0)
                r = json_set_string(object, "changedAt", timestamp_format(now_realtime_usec(), at));
        if (r >= 0)
                r = json_set_string(object, "bootId", boot_id());
        if (r >= 0)
                r = json_set_integer(object, "boottimeUsec", (int64_t)now_boottime_usec());
        if (r < 0)
                return r;
        return json_save(path, object);
}
