/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A set of certificates, by the SHA-256 of their DER forms. */

#include <stdbool.h>
#include <stddef.h>

#include "digest.h"

struct fingerprints {
        char (*items)[SHA256_TEXT_SIZE];
        size_t count;
};
#define _cleanup_fingerprints_ _cleanup_(fingerprints_clear) struct fingerprints
void fingerprints_clear(struct fingerprints *fingerprints);

int fingerprints_add(struct fingerprints *fingerprints, const char *fingerprint);

/* Those of a PEM file. Returns -EINVAL, -ENODATA or another -errno when it is none, or cannot be read. */
int fingerprints_add_file(struct fingerprints *fingerprints, const char *path);

/* Those of the *.crt files in a directory and the ones below it, as update-ca-certificates finds them; a file
 * that is no PEM adds nothing, there as here. A directory that does not exist holds none. */
int fingerprints_add_directory(struct fingerprints *fingerprints, const char *directory);

bool fingerprints_have(const struct fingerprints *fingerprints, const char *fingerprint);

/* Whether all of `part` are there. */
bool fingerprints_contain(const struct fingerprints *fingerprints, const struct fingerprints *part);
