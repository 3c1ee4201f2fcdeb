/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a kind of target can do; store.c has the table of kinds. Each function is as store.h has it. */

#include "store.h"

struct store_kind {
        int (*open)(struct store *store, struct failure *failure);
        void (*close)(struct store *store);         /* also of what open left half-made */
        const char *(*remark)(struct store *store); /* may be NULL */
        int (*list)(struct store *store, const char *cluster, const char *node, struct copies *ret,
                    struct failure *failure);
        int (*fetch)(struct store *store, const struct copy *copy, const char *scratch_dir, int *ret_fd,
                     struct failure *failure);
        int (*put)(struct store *store, int archive_fd, const struct manifest *manifest,
                   struct failure *failure);
        int (*remove)(struct store *store, const struct copy *copy, struct failure *failure);
        int (*sweep)(struct store *store, const char *cluster, const char *node, struct failure *failure);
};

struct store {
        const struct store_kind *kind;
        const struct backup_target *target;
        const char *root;
        const struct interrupt *interrupt;
        void *place; /* the kind's own */
};

extern const struct store_kind store_directory;
extern const struct store_kind store_s3;
