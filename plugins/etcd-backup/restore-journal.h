/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* STATE/restore/journal.json: what is being restored and how far it has come, so that a restore that was cut
 * off goes on, or is taken back, from wherever it was. It is there from the moment before the first thing is
 * changed on the node until the last is done. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cleanup.h"
#include "failure.h"

#define RESTORE_DIRECTORY     "restore" /* in the state directory */
#define RESTORE_SNAPSHOT_FILE "snapshot.db"

struct restore_journal {
        char *id;                /* a name for what is kept: the time it began, "20261121T100000Z" */
        char *source;            /* for people */
        char *argument, *target; /* as typed; target may be NULL */
        bool aborting;
        int64_t completed; /* steps, from the first */

        char *data_dir; /* as etcd.yaml has it, not under root */
        char *member, *peer_url, *token;
        char *tag;    /* of etcd's image */
        char *prefix; /* of Kubernetes' keys */
        uint64_t cluster_id;
        int64_t snapshot_revision;
        int64_t seen_revision; /* of the member before it was stopped; 0: it did not answer */
        int64_t floor;         /* to be gone beyond; 0: not known yet */
        int64_t bump;
        bool bumped;
};
#define _cleanup_restore_journal_ _cleanup_(restore_journal_clear) struct restore_journal
void restore_journal_clear(struct restore_journal *journal);

/* -ENOENT when no restore is under way; -EINVAL with a failure for a file that is not of the form. */
int restore_journal_load(const char *state_dir, struct restore_journal *ret, struct failure *failure);
int restore_journal_save(const char *state_dir, const struct restore_journal *journal);
int restore_journal_remove(const char *state_dir);

/* STATE/restore/NAME, owned by the caller. */
char *restore_path(const char *state_dir, const char *name);
