/* SPDX-License-Identifier: Apache-2.0 */

#include "state.h"

#include <fcntl.h>
#include <string.h>

#include "files.h"
#include "json-file.h"
#include "timestamp.h"

#define STATE_MAX  (1024 * 1024)
#define STATE_FILE "state.json"
#define LISTS      "lists"

static char *path_in(const char *directory, const char *name)
{
        char *path;

        return asprintf(&path, "%s/%s", directory, name) < 0 ? NULL : path;
}

static void copy_digest(json_object *object, const char *key, char ret[static SHA256_TEXT_SIZE])
{
        const char *text = json_string(object, key);

        (void)snprintf(ret, SHA256_TEXT_SIZE, "%s", text ? text : "");
}

static int parse(json_object *object, struct filter_state *state)
{
        const char *boot = json_string(object, "bootId"), *because = json_string(object, "rejectedBecause");
        json_object *names = json_member(object, "names", json_type_object);

        state->generation = (uint32_t)json_integer(object, "generation", 0);
        copy_digest(object, "confirmed", state->confirmed);
        copy_digest(object, "candidate", state->candidate);
        copy_digest(object, "rejected", state->rejected);
        (void)snprintf(state->boot_id, sizeof(state->boot_id), "%s", boot ? boot : "");
        state->deadline_usec = (uint64_t)json_integer(object, "deadlineUsec", 0);
        state->disabled_until_usec = (uint64_t)json_integer(object, "disabledUntilUsec", 0);
        state->changed_usec = (uint64_t)json_integer(object, "changedUsec", 0);
        state->repairs = (uint64_t)json_integer(object, "repairs", 0);
        if (because) {
                state->rejected_because = strdup(because);
                if (!state->rejected_because)
                        return -ENOMEM;
        }
        return names ? names_read(names, &state->names) : 0;
}

int state_load(const char *directory, struct filter_state *ret)
{
        _cleanup_free_ char *path = path_in(directory, STATE_FILE);
        _cleanup_(state_clear) struct filter_state state = {};
        _cleanup_json_ json_object *object = NULL;
        int r;

        if (!path)
                return -ENOMEM;
        r = json_load(path, STATE_MAX, &object);
        if (r == -EINVAL)
                return -EBADMSG;
        if (r >= 0)
                r = parse(object, &state);
        if (r < 0 && r != -ENOENT)
                return r;
        if (strcmp(state.boot_id, boot_id()) != 0) {
                (void)snprintf(state.boot_id, sizeof(state.boot_id), "%s", boot_id());
                state.candidate[0] = '\0';
                state.deadline_usec = state.disabled_until_usec = 0;
        }
        *ret = state;
        state = (struct filter_state){};
        return 0;
}

static int set_digest(json_object *object, const char *key, const char *digest)
{
        return json_set_string(object, key, digest[0] ? digest : NULL);
}

static int format(const struct filter_state *state, json_object *object)
{
        json_object *names = NULL;
        int r;

        r = json_set_integer(object, "generation", state->generation);
        if (r >= 0)
                r = set_digest(object, "confirmed", state->confirmed);
        if (r >= 0)
                r = set_digest(object, "candidate", state->candidate);
        if (r >= 0)
                r = set_digest(object, "rejected", state->rejected);
        if (r >= 0)
                r = json_set_string(object, "rejectedBecause", state->rejected_because);
        if (r >= 0)
                r = json_set_string(object, "bootId", state->boot_id);
        if (r >= 0)
                r = json_set_integer(object, "deadlineUsec", (int64_t)state->deadline_usec);
        if (r >= 0)
                r = json_set_integer(object, "disabledUntilUsec", (int64_t)state->disabled_until_usec);
        if (r >= 0)
                r = json_set_integer(object, "changedUsec", (int64_t)state->changed_usec);
        if (r >= 0)
                r = json_set_integer(object, "repairs", (int64_t)state->repairs);
        if (r >= 0)
                r = names_write(&state->names, &names);
        return r < 0 ? r : json_set(object, "names", names);
}

int state_save(const char *directory, const struct filter_state *state)
{
        _cleanup_free_ char *path = path_in(directory, STATE_FILE);
        _cleanup_json_ json_object *object = json_object_new_object();
        int r;

        if (!path || !object)
                return -ENOMEM;
        r = format(state, object);
        if (r < 0)
                return r;
        return json_save(path, object);
}

void state_clear(struct filter_state *state)
{
        free(state->rejected_because);
        names_clear(&state->names);
        *state = (struct filter_state){};
}

/* "sha256:…" without the colon, which some programs take for a host's. */
static char *list_path(const char *directory, const char *digest)
{
        char *path;

        return asprintf(&path, "%s/" LISTS "/%s", directory, digest + strlen("sha256:")) < 0 ? NULL : path;
}

int state_load_list(const char *directory, const char *digest, struct filter_list **ret)
{
        _cleanup_(filter_list_unrefp) struct filter_list *list = NULL;
        _cleanup_free_ char *path = NULL;
        int r;

        if (strlen(digest) != SHA256_TEXT_SIZE - 1)
                return -ENOENT;
        path = list_path(directory, digest);
        if (!path)
                return -ENOMEM;
        r = filter_list_load(path, &list);
        if (r < 0)
                return r;
        if (strcmp(list->digest, digest) != 0)
                return -EBADMSG;
        *ret = TAKE_PTR(list);
        return 0;
}

int state_save_list(const char *directory, const struct filter_list *list)
{
        _cleanup_free_ char *path = list_path(directory, list->digest), *lists = path_in(directory, LISTS);
        int r;

        if (!path || !lists)
                return -ENOMEM;
        r = directory_make(lists, 0700);
        if (r < 0)
                return r;
        return access(path, F_OK) == 0 ? 0 : filter_list_save(list, path);
}

static bool names_list(const struct filter_state *state, const char *name)
{
        const char *digests[] = { state->confirmed, state->candidate };

        for (size_t i = 0; i < ELEMENTS(digests); i++)
                if (digests[i][0] && strcmp(digests[i] + strlen("sha256:"), name) == 0)
                        return true;
        return false;
}

void state_sweep_lists(const char *directory, const struct filter_state *state)
{
        _cleanup_free_ char *lists = path_in(directory, LISTS);
        _cleanup_(closedirp) DIR *dir = lists ? opendir(lists) : NULL;
        struct dirent *entry;

        while (dir && (entry = readdir(dir)))
                if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
                    !names_list(state, entry->d_name))
                        (void)unlinkat(dirfd(dir), entry->d_name, 0);
}

int state_remove(const char *directory)
{
        _cleanup_free_ char *path = path_in(directory, STATE_FILE), *lists = path_in(directory, LISTS);

        if (!path || !lists)
                return -ENOMEM;
        state_sweep_lists(directory, &(struct filter_state){});
        if (rmdir(lists) < 0 && errno != ENOENT)
                return -errno;
        return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}
