/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* STATE/source-hash.json: what the member itself computed over its keys (HashKV) at the revision of a copy,
 * right after the copy was taken: the API server compacts every five minutes, and after that nobody can ask
 * any more. A drill holds it against what the restored copy computes. */

#include "configuration.h"
#include "etcd-call.h"
#include "manifest.h"

/* Asks the member, and records hash and revision (revision-journal.h). Databases above a gigabyte are not
 * hashed, for etcd's writes wait meanwhile (about a second a gigabyte): a drill then takes a snapshot of its
 * own. Returns 0 or -errno; without a hash the copy is as good. */
int source_hash_record(const char *root, const char *state_dir, const struct etcd_access *access,
                       const struct manifest *manifest);

/* Of the copy of that name; -ENOENT when it is not known. */
int source_hash_load(const char *state_dir, const char *copy, struct etcd_hash *ret);
