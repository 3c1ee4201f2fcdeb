/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a bucket holds below a prefix, over as many pages as it takes. */

#include "s3.h"

struct s3_object {
        char *key;
        uint64_t size;
};

struct s3_objects {
        struct s3_object *items; /* sorted by key */
        size_t count;
};
#define _cleanup_s3_objects_ _cleanup_(s3_objects_clear) struct s3_objects
void s3_objects_clear(struct s3_objects *objects);

/* Returns 0, or negative errno with a failure: also -EBADMSG for an answer that is no listing, and -E2BIG
 * for more than a million objects. */
int s3_list_objects(struct s3 *s3, const char *prefix, struct s3_objects *ret, struct failure *failure);

/* By key; NULL: it is not there. */
const struct s3_object *s3_objects_find(const struct s3_objects *objects, const char *key);

struct s3_upload {
        char *key, *id;
};

struct s3_uploads {
        struct s3_upload *items;
        size_t count;
};
#define _cleanup_s3_uploads_ _cleanup_(s3_uploads_clear) struct s3_uploads
void s3_uploads_clear(struct s3_uploads *uploads);

/* Multipart uploads that were neither completed nor aborted. */
int s3_list_uploads(struct s3 *s3, const char *prefix, struct s3_uploads *ret, struct failure *failure);
