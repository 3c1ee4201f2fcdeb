/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A restore of this node's etcd member from a copy: preflight (restore-preflight.c), which changes nothing,
 * then a list of steps (restore-steps.c), each of which can be repeated and taken back. */

#include "configuration.h"
#include "etcd-call.h"
#include "etcd-database.h"
#include "etcd-tool.h"
#include "proof.h"
#include "restore-journal.h"

struct copy_source;

/* Old data, in the data directory; behind it the journal's id. */
#define RESTORE_KEPT_PREFIX "member.before-restore-"

struct restore {
        const char *root, *state_dir;
        const struct backup_config *config;
        struct etcd_peer peer;
        struct restore_journal journal;
        struct etcd_tool tool;
        bool tool_found;
        struct failure *failure;
};
void restore_clear(struct restore *restore);

/* Looks whether all that the restore needs is there, and fills the journal's part about the node: the
 * manifest's arguments, the version (etcd's files are read by the same minor version and the next, never an
 * earlier one), the program that restores, room on the disks, no kubeadm at work. Changes nothing but the
 * programs kept. */
int restore_preflight(struct restore *restore, const struct copy_source *source);

/* The names of the steps in order and what each does, for a dry run and the manual; NULL behind the last. */
const char *restore_step_name(size_t i);
const char *restore_step_summary(size_t i);

/* Does the steps that are not done yet, writing the journal after each. A failure leaves the journal: the
 * same again goes on, abort takes everything back. */
int restore_run(struct restore *restore);

/* Takes all steps back, the last first, and removes the journal. */
int restore_abort(struct restore *restore);
