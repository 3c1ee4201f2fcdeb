/* SPDX-License-Identifier: Apache-2.0 */

#include "effectiveness.h"

enum effectiveness effectiveness_judge(const struct table_elements sources[static IP_FAMILIES],
                                       const struct node_networks *networks, uint64_t observed_usec)
{
        size_t internal = 0;

        for (enum ip_family f = 0; f < IP_FAMILIES; f++)
                for (size_t i = 0; i < sources[f].count; i++) {
                        if (cidr_set_has(&networks->addresses[f], sources[f].items[i].address, NULL))
                                continue;
                        if (!cidr_set_has(&networks->networks[f], sources[f].items[i].address, NULL))
                                return EFFECTIVENESS_SEEN;
                        internal++;
                }
        if (internal > EFFECTIVENESS_HIDDEN_MAX)
                return EFFECTIVENESS_SEEN;
        return internal == 0 || observed_usec < EFFECTIVENESS_OBSERVE_USEC ? EFFECTIVENESS_UNKNOWN
                                                                           : EFFECTIVENESS_HIDDEN;
}
