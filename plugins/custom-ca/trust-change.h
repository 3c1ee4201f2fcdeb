/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The way from what the trust store is to what it should be, as steps between which update-ca-certificates
 * runs; so that the resident process can wait for it in its event loop and a command can wait on the spot.
 * New authorities come first, and old ones go only when those are in force; if the store does not come right
 * with the new ones, they are taken back. */

#include <stdbool.h>

#include "authority.h"
#include "quantity.h"
#include "trust-store.h"

/* For one run of update-ca-certificates, which reads and links every authority, on a busy disk. */
#define TRUST_RUN_USEC (2 * USEC_PER_MIN)

struct trust_change {
        const struct trust_store *store;
        const char *state_dir;
        const struct authorities *wanted; /* those that the system does not select itself */
        const struct config_strings *distrust;
        bool *placed; /* of wanted: written by this change */
        bool begun, withdrew, taking_back, ran;
        unsigned runs;
        struct failure cause; /* why the store did not come right */
};

int trust_change_init(struct trust_change *change, const struct trust_store *store, const char *state_dir,
                      const struct authorities *wanted, const struct config_strings *distrust);
void trust_change_clear(struct trust_change *change);

/* Goes on. Returns 0 when all is in force; 1 when update-ca-certificates is to run now, with --fresh if
 * *ret_fresh, and then this again; or -errno with a failure, the store being as before as far as possible. */
int trust_change_step(struct trust_change *change, bool *ret_fresh, struct failure *failure);

/* All of it, waiting for each run (TRUST_RUN_USEC at most). Returns 0, or -errno with a failure. */
int trust_change_run(struct trust_change *change, struct failure *failure);

/* Prints what would change, as a unified diff. */
int trust_change_show(const struct trust_change *change, struct failure *failure);
