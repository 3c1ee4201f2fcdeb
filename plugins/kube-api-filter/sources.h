/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* From the configuration and what the node knows of itself to the list that shall be in force. */

#include <stdbool.h>

#include "failure.h"
#include "filter-config.h"
#include "list.h"
#include "names.h"
#include "node-networks.h"

/* names: what the management's names resolved to. Returns 0, or -errno with a failure (AllowFileRefused,
 * AddressesUnreadable). */
int sources_collect(const char *root, const struct filter_config *config, const struct names *names,
                    struct filter_list **ret, struct failure *failure);

/* Of that only what the node knows by itself, for the keys that say "auto". */
int sources_automatic(const char *root, const struct filter_config *config, struct filter_list **ret,
                      struct failure *failure);
