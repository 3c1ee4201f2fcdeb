/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Debian's and Ubuntu's trust store, update-ca-certificates(8). Its script appends whatever it finds and
 * exits 0, takes no lock (two at once leave bundles of 1 to 290 certificates instead of 145), and links only
 * names, so that new content under an old name gets no hash link. Therefore: one certificate per file, the
 * name is the content's digest, and the result is read back and compared.
 *
 * Each of ours is two files: LOCAL/capi-node-agent-DIGEST.crt, from which the script makes the bundle, and a
 * real file CERTS/capi-node-agent-DIGEST.crt, to which `openssl rehash` points the hash link (it takes the
 * first name in order, .crt before .pem), for pods that mount only /etc/ssl/certs: there the script's own
 * link leads nowhere. The name alone says that a file is ours. */

#include <stdbool.h>
#include <sys/types.h>

#include "authority.h"

struct trust_store {
        const char *root; /* borrowed */
        char *local;      /* ROOT/usr/local/share/ca-certificates */
        char *certs;      /* ROOT/etc/ssl/certs */
        char *bundle;     /* ROOT/etc/ssl/certs/ca-certificates.crt */
        char *selection;  /* ROOT/etc/ca-certificates.conf */
        char *shared;     /* ROOT/usr/share/ca-certificates */
};
int trust_store_init(struct trust_store *store, const char *root);
void trust_store_clear(struct trust_store *store);

/* Writes the authority's two files where they are missing or different. Returns 1 when it wrote, 0 when both
 * were right, or -errno with a failure (TrustStoreReadOnly, TrustStoreNotWritten). */
int trust_store_place(const struct trust_store *store, const struct authority *authority,
                      struct failure *failure);

/* Removes our files of every authority that is not in `keep`. Returns how many files went, or -errno with a
 * failure. */
int trust_store_withdraw(const struct trust_store *store, const struct authorities *keep,
                         struct failure *failure);

/* Removes our files of one authority; 0 also when there were none. */
int trust_store_remove(const struct trust_store *store, const char *fingerprint, struct failure *failure);

/* Prints the differences that place and withdraw would make below LOCAL, as a unified diff. */
int trust_store_show(const struct trust_store *store, const struct authorities *wanted,
                     struct failure *failure);

/* Whether the bundle holds exactly what the selected and local files hold, each of ours among it, and the
 * hash links of ours lead to real files. Returns 0, -EBADMSG with a failure (TrustStoreBroken), or another
 * -errno. */
int trust_store_check(const struct trust_store *store, const struct authorities *ours,
                      struct failure *failure);

/* Whether the system's own selection holds the certificate. */
int trust_store_selects(const struct trust_store *store, const char *fingerprint, bool *ret);

/* Starts update-ca-certificates (below root: in a chroot) as the leader of its own process group. */
int trust_store_start(const struct trust_store *store, bool fresh, pid_t *ret, struct failure *failure);
