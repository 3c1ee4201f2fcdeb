/* SPDX-License-Identifier: Apache-2.0 */

#include "touched-sets.h"

#include <stdio.h>
#include <string.h>

bool touched_sets_any(const struct touched_sets *touched)
{
        return touched->all || touched->count > 0;
}

void touched_sets_add(struct touched_sets *touched, const char *name)
{
        for (size_t i = 0; name && i < touched->count; i++)
                if (strncmp(touched->names[i], name, SET_NAME_SIZE - 1) == 0)
                        return;
        if (!name || touched->count == TOUCHED_SETS_MAX)
                touched->all = true;
        else
                (void)snprintf(touched->names[touched->count++], SET_NAME_SIZE, "%s", name);
}

void touched_sets_merge(struct touched_sets *touched, const struct touched_sets *more)
{
        touched->all = touched->all || more->all;
        for (size_t i = 0; i < more->count; i++)
                touched_sets_add(touched, more->names[i]);
}
