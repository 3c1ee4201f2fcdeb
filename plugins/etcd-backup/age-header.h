/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The header of an age file: the file's key, wrapped for each recipient, and a MAC by that key. */

#include <stddef.h>

#include "age.h"

/* The header's text for these recipients, owned by the caller. */
int age_header_write(const struct age_file_key *key, const struct age_recipient *recipients, size_t count,
                     char **ret_text, size_t *ret_size);

/* The file's key from a header, which ends with the line of its MAC. Nothing of it is used before all of it
 * was found to be of the specification's form. Errors as age_decryptor_feed's. */
int age_header_open(const char *header, size_t size, const struct age_opener *opener,
                    struct age_file_key *ret, struct failure *failure);
