/* SPDX-License-Identifier: Apache-2.0 */

#include "proof.h"

#include <openssl/crypto.h>

void proof_means_clear(struct proof_means *means)
{
        age_identities_clear(&means->identities);
        authentication_key_clear(&means->key);
}

int manifest_prove_authentic(const struct manifest *manifest, const struct authentication_key *key,
                             struct failure *failure)
{
        uint8_t mac[SHA256_SIZE];
        int r;

        if (!manifest->seal.has_mac)
                return failure_set(
                        failure, -EKEYREJECTED, "NotAuthenticated",
                        "its manifest has no HMAC, so anybody may have put it there; it was taken without "
                        "encryption.authenticationKeyFile, or is not ours");
        r = authenticity_mac(key, manifest->seal.canonical, mac);
        if (r < 0)
                return r;
        if (CRYPTO_memcmp(mac, manifest->seal.mac, SHA256_SIZE) != 0)
                return failure_set(failure, -EKEYREJECTED, "NotAuthentic",
                                   "its manifest's HMAC is wrong: it was changed, or another authentication "
                                   "key made it");
        return 0;
}

static bool is_blind(const struct manifest *manifest, const struct proof_means *means)
{
        return copy_is_encrypted(manifest->stored_file) && means->identities.count == 0;
}

int stored_copy_prove(int fd, const struct manifest *manifest, const struct proof_means *means,
                      const struct interrupt *interrupt, enum proof *ret, struct archive_facts *ret_facts,
                      struct failure *failure)
{
        const char *const scratch_directories[] = { means->scratch_dir, NULL };
        const struct age_opener opener = { .identities = &means->identities };
        bool blind = is_blind(manifest, means);
        int r = 0;

        if (means->key.data)
                r = manifest_prove_authentic(manifest, &means->key, failure);
        if (r >= 0)
                r = stored_copy_verify(fd, manifest, blind ? NULL : &opener, scratch_directories, interrupt,
                                       ret_facts, failure);
        if (r < 0)
                return r;
        *ret = blind ? PROOF_STORED_BYTES : PROOF_CONTENT;
        return 0;
}

int copy_prove(const char *directory, const struct copy *copy, const struct proof_means *means,
               const struct interrupt *interrupt, enum proof *ret, struct archive_facts *ret_facts,
               struct failure *failure)
{
        const struct age_opener opener = { .identities = &means->identities };
        bool blind = is_blind(copy->manifest, means);
        int r = 0;

        if (means->key.data)
                r = manifest_prove_authentic(copy->manifest, &means->key, failure);
        if (r >= 0)
                r = copy_verify(directory, copy, blind ? NULL : &opener, means->scratch_dir, interrupt,
                                ret_facts, failure);
        if (r < 0)
                return r;
        *ret = blind ? PROOF_STORED_BYTES : PROOF_CONTENT;
        return 0;
}
