/* SPDX-License-Identifier: Apache-2.0 */

#include "restore-journal.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "json-file.h"

#define FILE_NAME     "journal.json"
#define FILE_SIZE_MAX (64 * 1024)

/* Everything that is text, once for reading, writing and freeing. */
static const struct text_field {
        const char *key;
        size_t offset;
        bool optional;
} text_fields[] = {
        { "id", offsetof(struct restore_journal, id), false },
        { "source", offsetof(struct restore_journal, source), false },
        { "argument", offsetof(struct restore_journal, argument), false },
        { "target", offsetof(struct restore_journal, target), true },
        { "dataDir", offsetof(struct restore_journal, data_dir), false },
        { "member", offsetof(struct restore_journal, member), false },
        { "peerUrl", offsetof(struct restore_journal, peer_url), false },
        { "token", offsetof(struct restore_journal, token), false },
        { "imageTag", offsetof(struct restore_journal, tag), false },
        { "prefix", offsetof(struct restore_journal, prefix), false },
};

static const struct number_field {
        const char *key;
        size_t offset;
} number_fields[] = {
        { "completed", offsetof(struct restore_journal, completed) },
        { "snapshotRevision", offsetof(struct restore_journal, snapshot_revision) },
        { "seenRevision", offsetof(struct restore_journal, seen_revision) },
        { "floor", offsetof(struct restore_journal, floor) },
        { "bump", offsetof(struct restore_journal, bump) },
};

static char **text_of(const struct restore_journal *journal, const struct text_field *field)
{
        return (char **)((char *)journal + field->offset);
}

static int64_t *number_of(const struct restore_journal *journal, const struct number_field *field)
{
        return (int64_t *)((char *)journal + field->offset);
}

void restore_journal_clear(struct restore_journal *journal)
{
        for (size_t i = 0; i < ELEMENTS(text_fields); i++)
                free(*text_of(journal, &text_fields[i]));
        *journal = (struct restore_journal){};
}

char *restore_path(const char *state_dir, const char *name)
{
        char *path;

        return asprintf(&path, "%s/" RESTORE_DIRECTORY "/%s", state_dir, name) < 0 ? NULL : path;
}

static int read_object(json_object *object, struct restore_journal *journal)
{
        const char *id = json_string(object, "clusterId");
        char *end;

        if (!id)
                return -EINVAL;
        journal->cluster_id = strtoull(id, &end, 16);
        if (end == id || *end)
                return -EINVAL;
        for (size_t i = 0; i < ELEMENTS(text_fields); i++) {
                const char *text = json_string(object, text_fields[i].key);

                if (!text && !text_fields[i].optional)
                        return -EINVAL;
                if (text && !(*text_of(journal, &text_fields[i]) = strdup(text)))
                        return -ENOMEM;
        }
        for (size_t i = 0; i < ELEMENTS(number_fields); i++) {
                *number_of(journal, &number_fields[i]) = json_integer(object, number_fields[i].key, -1);
                if (*number_of(journal, &number_fields[i]) < 0)
                        return -EINVAL;
        }
        journal->aborting = json_integer(object, "aborting", 0) != 0;
        journal->bumped = json_integer(object, "bumped", 0) != 0;
        return 0;
}

int restore_journal_load(const char *state_dir, struct restore_journal *ret, struct failure *failure)
{
        _cleanup_free_ char *path = restore_path(state_dir, FILE_NAME);
        _cleanup_json_ json_object *object = NULL;
        _cleanup_restore_journal_ journal = {};
        int r;

        if (!path)
                return -ENOMEM;
        r = json_load(path, FILE_SIZE_MAX, &object);
        if (r >= 0)
                r = read_object(object, &journal);
        if (r == -EINVAL)
                return failure_set(failure, r, "RestoreJournalUnreadable",
                                   "%s is not a journal of this version", path);
        if (r < 0)
                return r;
        *ret = journal;
        journal = (struct restore_journal){};
        return 0;
}

static int write_object(const struct restore_journal *journal, json_object *object)
{
        char id[20];
        int r;

        (void)snprintf(id, sizeof(id), "%016" PRIx64, journal->cluster_id);
        r = json_set_string(object, "clusterId", id);
        for (size_t i = 0; r >= 0 && i < ELEMENTS(text_fields); i++)
                r = json_set_string(object, text_fields[i].key, *text_of(journal, &text_fields[i]));
        for (size_t i = 0; r >= 0 && i < ELEMENTS(number_fields); i++)
                r = json_set_integer(object, number_fields[i].key, *number_of(journal, &number_fields[i]));
        if (r >= 0)
                r = json_set_integer(object, "aborting", journal->aborting);
        return r < 0 ? r : json_set_integer(object, "bumped", journal->bumped);
}

int restore_journal_save(const char *state_dir, const struct restore_journal *journal)
{
        _cleanup_json_ json_object *object = json_object_new_object();
        _cleanup_free_ char *path = restore_path(state_dir, FILE_NAME);
        int r;

        if (!object || !path)
                return -ENOMEM;
        r = write_object(journal, object);
        if (r < 0)
                return r;
        return json_save(path, object);
}

int restore_journal_remove(const char *state_dir)
{
        _cleanup_free_ char *path = restore_path(state_dir, FILE_NAME);

        if (!path)
                return -ENOMEM;
        return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}
