/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a restore says to the person who does it, and asks. */

#include "age-key.h"
#include "restore.h"

struct manifest;

/* How Cluster API and the other members are kept from interfering, and whether to go on. Returns 0,
 * -ECANCELED for any other answer than yes, or -ENOTTY where nobody can be asked. */
int restore_ask_consent(const struct restore *restore);

/* Asks for an identity on the terminal, without echo. -ENOTTY, or age_identities_parse's errors. */
int restore_ask_identity(struct age_identities *ret, struct failure *failure);

void restore_tell_plan(const struct restore *restore, const struct manifest *manifest,
                       const struct etcd_database *database);
/* What is still to be done: the other members, Cluster API, the old data. */
void restore_tell_rest(const struct restore *restore);
