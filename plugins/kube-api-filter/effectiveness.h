/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Whether the node sees who its clients are. Behind a proxy (Octavia's amphora) every connection comes from
 * the proxy's address in the node's own network, and a filter by source filters nothing. */

#include <stdint.h>

#include "sources.h"
#include "table.h"

enum effectiveness {
        EFFECTIVENESS_UNKNOWN, /* nobody came, or not for long enough */
        EFFECTIVENESS_HIDDEN,  /* a few addresses of the node's own networks, and no other */
        EFFECTIVENESS_SEEN,
};

/* Looked at for so long before "a few internal addresses" means anything. (Tests do not wait for it.) */
#ifndef EFFECTIVENESS_OBSERVE_USEC
#define EFFECTIVENESS_OBSERVE_USEC (10 * 60 * UINT64_C(1000000))
#endif
/* A pair of proxies and their health monitors; more different sources than that are nodes. */
#define EFFECTIVENESS_HIDDEN_MAX 4

/* sources: of both families, as the kernel remembers them. */
enum effectiveness effectiveness_judge(const struct table_elements sources[static IP_FAMILIES],
                                       const struct node_networks *networks, uint64_t observed_usec);
