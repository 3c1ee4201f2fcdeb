/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The copies at a target, whatever kind of place it is. Only programs that run and end use it, since it
 * waits for networks; what stays resident looks into directories with copies.h.
 *
 * A copy is there when its manifest is: a manifest is put last and removed first. */

#include "configuration.h"
#include "copies.h"
#include "failure.h"
#include "interrupt.h"

struct store;

/* Makes the place ready, as far as that goes without asking a server. The target, the root and the interrupt
 * are borrowed until store_close. Returns 0, or negative errno with a failure. */
int store_open(const struct backup_target *target, const char *root, const struct interrupt *interrupt,
               struct store **ret, struct failure *failure);
struct store *store_close(struct store *store);
DEFINE_CLEANUP(struct store *, store_close)

const char *store_name(const struct store *store); /* the target's */

/* What a person should know of the target though all went well, or NULL. */
const char *store_remark(struct store *store);

/* The copies of the cluster and node; NULL: of every one. Sorted by cluster and node, each node's newest
 * first. Returns 0, or negative errno with a failure. */
int store_list(struct store *store, const char *cluster, const char *node, struct copies *ret,
               struct failure *failure);

/* A descriptor at the beginning of the archive: the file itself where it is one, else what was fetched into
 * a nameless file in scratch_dir. What is read there is still to be verified. The caller closes it. Returns
 * 0, or negative errno with a failure. */
int store_fetch(struct store *store, const struct copy *copy, const char *scratch_dir, int *ret_fd,
                struct failure *failure);

/* Stores the archive in the file, whose bytes are held against the manifest's on the way, and then the
 * manifest. A copy that is there already is left alone: -EEXIST with a failure if it is another one of that
 * name, 0 if it is this one. -EBADMSG when the file is not what the manifest says. */
int store_put(struct store *store, int archive_fd, const struct manifest *manifest, struct failure *failure);

/* Returns 0 also when it is gone already, or negative errno with a failure. */
int store_remove(struct store *store, const struct copy *copy, struct failure *failure);

/* Removes what killed runs of this node left: files and uploads under construction, and archives that never
 * got their manifest. Only for who holds the lock, since a running snapshot looks the same. Returns how many
 * went, or negative errno with a failure. */
int store_sweep(struct store *store, const char *cluster, const char *node, struct failure *failure);
