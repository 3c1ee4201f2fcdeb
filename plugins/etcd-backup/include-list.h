/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The files of the node that a copy holds besides the database: "included" of its manifest. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "digest.h"
#include "digest.h"
#include "failure.h"
#include "json.h"

#define INCLUDED_PREFIX "node/" /* before the path on the node */
#define INCLUDED_MAX    256     /* so that a manifest keeps its limit */

struct included_file {
        char *name; /* of the member: "node/etc/kubernetes/pki/ca.crt" */
        unsigned mode;
        uint64_t size;
        uint8_t sha256[SHA256_SIZE];
};

struct included {
        struct included_file *items; /* in the order of the archive */
        size_t count;
        uint64_t withheld; /* secrets that are not in it because the copy is not encrypted */
};
#define _cleanup_included_ _cleanup_(included_clear) struct included
void included_clear(struct included *included);

/* Copies the file's name. Returns -E2BIG when the list is full, or -ENOMEM. */
int included_add(struct included *included, const struct included_file *file);

bool included_equal(const struct included *one, const struct included *other);

/* Whether it is such a name and leads nowhere else when it is taken apart: no "..", no empty part, and of a
 * length that the archive holds. */
bool included_name_is_sound(const char *name);

/* The files of the node in an archive that is being read, hashed one after the other. */
struct included_reader {
        struct included found; /* mode 0: an archive's reader is not told it */
        struct hasher *hasher;
};
void included_reader_clear(struct included_reader *reader);
int included_reader_begin(struct included_reader *reader, const char *name, uint64_t size);
int included_reader_add(struct included_reader *reader, const void *data, size_t size);
int included_reader_end(struct included_reader *reader);
/* Whether they are those of a manifest; -EBADMSG with a failure that names the first that is not. */
int included_reader_match(const struct included_reader *reader, const struct included *included,
                          struct failure *failure);

/* As "included" (and "withheld") of a manifest; nothing for an empty list. Read returns -EINVAL with a
 * failure for another form. */
int included_write(const struct included *included, json_object *object);
int included_read(json_object *object, struct included *ret, struct failure *failure);
