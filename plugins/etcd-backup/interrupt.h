/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Long work asks this now and then; true ends it with -ECANCELED. And it tells how far it has come. */
struct interrupt {
        bool (*asked)(void *userdata); /* NULL: never */
        void *userdata;
        void (*passed)(uint64_t done, uint64_t total, void *userdata); /* bytes; NULL: nobody wants to know */
};

/* NULL: nothing interrupts. */
static inline bool interrupted(const struct interrupt *interrupt)
{
        return interrupt && interrupt->asked && interrupt->asked(interrupt->userdata);
}

static inline void interrupt_tell(const struct interrupt *interrupt, uint64_t done, uint64_t total)
{
        if (interrupt && interrupt->passed)
                interrupt->passed(done, total, interrupt->userdata);
}
