/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What stands between the archive and the targets when the copy is encrypted: age for the configured
 * recipients. */

#include "age.h"
#include "archive.h"
#include "config.h"

struct seal;
int seal_new(const struct config_strings *recipients, archive_sink_fn sink, void *userdata,
             struct seal **ret);
struct seal *seal_free(struct seal *seal);
DEFINE_CLEANUP(struct seal *, seal_free)

/* The archive's sink; userdata is the seal. */
int seal_add(const void *data, size_t size, void *userdata);
int seal_finish(struct seal *seal);

/* With what this copy, and no other, can be read back as long as the seal lives: nodes have no identity, so
 * later nobody here can. */
const struct age_opener *seal_opener(const struct seal *seal);
