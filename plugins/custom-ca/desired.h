/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the configuration asks for, held against what the system trusts by itself. */

#include "authority.h"
#include "trust-store.h"

struct desired {
        struct authorities wanted; /* to be installed */
        struct authorities known;  /* the system's own selection holds them already */
};
#define _cleanup_desired_ _cleanup_(desired_clear) struct desired
void desired_clear(struct desired *desired);

/* Returns 0, or negative errno with a failure (those of authorities_collect, TrustStoreUnreadable). */
int desired_load(const struct custom_ca_config *config, const struct trust_store *store, struct desired *ret,
                 struct failure *failure);
