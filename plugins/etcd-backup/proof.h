/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What can be proven of a stored copy, with what the verifier has. */

#include "authenticity.h"
#include "verify.h"

struct proof_means {
        struct age_identities identities; /* none: an encrypted copy cannot be looked into */
        struct authentication_key key;    /* none: nobody has to vouch for a copy */
        const char *scratch_dir;          /* where a database may lie for a moment; borrowed */
};
#define _cleanup_proof_means_ _cleanup_(proof_means_clear) struct proof_means
void proof_means_clear(struct proof_means *means);

/* Whether the key made the manifest's HMAC; -EKEYREJECTED with a failure (NotAuthenticated, NotAuthentic)
 * when it has none or a wrong one. */
int manifest_prove_authentic(const struct manifest *manifest, const struct authentication_key *key,
                             struct failure *failure);

enum proof {
        PROOF_STORED_BYTES, /* they are those that the manifest names */
        PROOF_CONTENT,      /* and they hold the snapshot that it names */
};

/* With a key, the manifest has to be authentic first: -EKEYREJECTED with a failure (NotAuthenticated,
 * NotAuthentic) when it has no MAC or a wrong one. -ENOKEY (NotARecipient) when identities are given and none
 * opens it. The facts are told only of what was looked into. Else copy_verify's errors. */
int copy_prove(const char *directory, const struct copy *copy, const struct proof_means *means,
               const struct interrupt *interrupt, enum proof *ret, struct archive_facts *ret_facts,
               struct failure *failure);

/* The same for the archive in a file that stored_copy_verify can read. */
int stored_copy_prove(int fd, const struct manifest *manifest, const struct proof_means *means,
                      const struct interrupt *interrupt, enum proof *ret, struct archive_facts *ret_facts,
                      struct failure *failure);
