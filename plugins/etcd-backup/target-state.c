/* SPDX-License-Identifier: Apache-2.0 */

#include "target-state.h"

#include <string.h>

#include "files.h"
#include "json-file.h"

#define FILE_SIZE_MAX (128 * 1024) /* a manifest and some lines */

void target_state_clear(struct target_state *state)
{
        manifest_free(state->newest);
        failure_clear(&state->failure);
        *state = (struct target_state){};
}

static char *make_path(const char *state_dir, const char *target)
{
        char *path;

        return asprintf(&path, "%s/targets/%s.json", state_dir, target) < 0 ? NULL : path;
}

static int parse(json_object *object, struct target_state *state)
{
        json_object *newest = json_member(object, "newest", json_type_object);
        const char *reason = json_string(object, "reason"), *message = json_string(object, "message"), *text;
        int64_t copies = json_integer(object, "copies", -1);
        int r = 0;

        if (copies < 0)
                return -EINVAL;
        state->copies = (uint64_t)copies;
        if (reason && message)
                (void)failure_set(&state->failure, 0, reason, "%s", message);
        if (newest) {
                text = json_object_to_json_string_ext(newest, JSON_C_TO_STRING_PLAIN);
                r = text ? manifest_parse(text, strlen(text), &state->newest, NULL) : -ENOMEM;
        }
        return r;
}

int target_state_load(const char *state_dir, const char *target, struct target_state *ret)
{
        _cleanup_free_ char *path = make_path(state_dir, target);
        _cleanup_json_ json_object *object = NULL;
        _cleanup_target_state_ state = {};
        int r;

        r = path ? json_load(path, FILE_SIZE_MAX, &object) : -ENOMEM;
        if (r >= 0)
                r = parse(object, &state);
        if (r < 0)
                return r;

        *ret = state;
        state = (struct target_state){};
        return 0;
}

static int format(const struct target_state *state, json_object *object)
{
        json_object *newest = NULL;
        _cleanup_free_ char *text = NULL;
        int r;

        r = json_set_integer(object, "copies", (int64_t)state->copies);
        if (r >= 0 && state->failure.reason)
                r = json_set_string(object, "reason", state->failure.reason);
        if (r >= 0 && state->failure.reason)
                r = json_set_string(object, "message", state->failure.message);
        if (r < 0 || !state->newest)
                return r;
        r = manifest_format(state->newest, true, &text);
        if (r >= 0)
                r = json_parse(text, strlen(text), &newest, NULL);
        return r < 0 ? r : json_set(object, "newest", newest);
}

int target_state_save(const char *state_dir, const char *target, const struct target_state *state)
{
        _cleanup_json_ json_object *object = json_object_new_object();
        _cleanup_free_ char *path = make_path(state_dir, target), *directory = NULL;
        int r;

        if (!object || !path || asprintf(&directory, "%s/targets", state_dir) < 0) {
                directory = NULL;
                return -ENOMEM;
        }
        r = directory_make(directory, 0700);
        if (r >= 0)
                r = format(state, object);
        if (r < 0)
                return r;
        return json_save(path, object);
}

int target_states_forget(const char *state_dir)
{
        _cleanup_free_ char *directory = NULL;
        _cleanup_(closedirp) DIR *dir = NULL;

        if (asprintf(&directory, "%s/targets", state_dir) < 0) {
                directory = NULL;
                return -ENOMEM;
        }
        dir = opendir(directory);
        if (!dir)
                return errno == ENOENT ? 0 : -errno;
        for (struct dirent *entry; (entry = readdir(dir));)
                if (entry->d_name[0] != '.' && unlinkat(dirfd(dir), entry->d_name, 0) < 0 && errno != ENOENT)
                        return -errno;
        return rmdir(directory) < 0 && errno != ENOENT ? -errno : 0;
}
