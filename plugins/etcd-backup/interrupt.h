/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

/* Long work asks this now and then; true ends it with -ECANCELED. */
struct interrupt {
        bool (*asked)(void *userdata);
        void *userdata;
};

/* NULL: nothing interrupts. */
static inline bool interrupted(const struct interrupt *interrupt)
{
        return interrupt && interrupt->asked(interrupt->userdata);
}
