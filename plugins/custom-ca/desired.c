/* SPDX-License-Identifier: Apache-2.0 */

#include "desired.h"

#include <string.h>

#include "selection.h"

void desired_clear(struct desired *desired)
{
        authorities_clear(&desired->wanted);
        authorities_clear(&desired->known);
}

/* Moves what the system selects from wanted to known. */
static int split(struct desired *desired, const struct fingerprints *selected)
{
        size_t kept = 0;

        desired->known.items = calloc(desired->wanted.count + 1, sizeof(*desired->known.items));
        if (!desired->known.items)
                return -ENOMEM;
        for (size_t i = 0; i < desired->wanted.count; i++) {
                struct authority *authority = &desired->wanted.items[i];

                if (fingerprints_have(selected, authority->fingerprint))
                        desired->known.items[desired->known.count++] = *authority;
                else
                        desired->wanted.items[kept++] = *authority;
        }
        desired->wanted.count = kept;
        return 0;
}

int desired_load(const struct custom_ca_config *config, const struct trust_store *store, struct desired *ret,
                 struct failure *failure)
{
        _cleanup_fingerprints_ selected = {};
        _cleanup_desired_ desired = {};
        int r;

        r = authorities_collect(config, store->root, &desired.wanted, failure);
        if (r < 0)
                return r;
        r = selection_fingerprints(store->selection, store->shared, &selected);
        if (r < 0)
                return failure_set(failure, r, "TrustStoreUnreadable", "cannot read %s: %s", store->selection,
                                   strerror(-r));
        r = split(&desired, &selected);
        if (r < 0)
                return r;
        *ret = desired;
        desired = (struct desired){};
        return 0;
}
