/* SPDX-License-Identifier: Apache-2.0 */

#include "store.h"

#include "store-kind.h"

static const struct store_kind *const kinds[] = {
        [TARGET_DIRECTORY] = &store_directory,
        [TARGET_S3] = &store_s3,
};

int store_open(const struct backup_target *target, const char *root, const struct interrupt *interrupt,
               struct store **ret, struct failure *failure)
{
        _cleanup_(store_closep) struct store *store = calloc(1, sizeof(*store));
        int r;

        if (!store)
                return -ENOMEM;
        store->kind = kinds[target->kind];
        store->target = target;
        store->root = root;
        store->interrupt = interrupt;
        r = store->kind->open(store, failure);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(store);
        return 0;
}

struct store *store_close(struct store *store)
{
        if (!store)
                return NULL;
        store->kind->close(store);
        free(store);
        return NULL;
}

const char *store_name(const struct store *store)
{
        return store->target->name;
}

const char *store_remark(struct store *store)
{
        return store->kind->remark ? store->kind->remark(store) : NULL;
}

int store_list(struct store *store, const char *cluster, const char *node, struct copies *ret,
               struct failure *failure)
{
        return store->kind->list(store, cluster, node, ret, failure);
}

int store_fetch(struct store *store, const struct copy *copy, const char *scratch_dir, int *ret_fd,
                struct failure *failure)
{
        return store->kind->fetch(store, copy, scratch_dir, ret_fd, failure);
}

int store_put(struct store *store, int archive_fd, const struct manifest *manifest, struct failure *failure)
{
        return store->kind->put(store, archive_fd, manifest, failure);
}

int store_remove(struct store *store, const struct copy *copy, struct failure *failure)
{
        return store->kind->remove(store, copy, failure);
}

int store_sweep(struct store *store, const char *cluster, const char *node, struct failure *failure)
{
        return store->kind->sweep(store, cluster, node, failure);
}
