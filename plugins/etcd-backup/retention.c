/* SPDX-License-Identifier: Apache-2.0 */

#include "retention.h"

void retention_choose(const struct target_retention *retention, const struct copies *copies, bool *ret_remove)
{
        int64_t kept = 0;

        /* The list is newest first. */
        for (size_t i = 0; i < copies->count; i++) {
                ret_remove[i] = kept >= retention->keep_last;
                if (copies->items[i].whole)
                        kept++;
        }
}
