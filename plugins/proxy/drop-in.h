/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What others' drop-ins make of a unit's environment (systemd.exec(5)). A file of variables goes before
 * Environment=, so what remains to look for is what takes our file away, or comes behind it. */

#include <stdbool.h>
#include <stddef.h>

#include "cleanup.h"
#include "config.h"

struct drop_in {
        bool resets;                 /* an empty EnvironmentFile=: those before it do not count */
        bool unsets;                 /* UnsetEnvironment= of one of our variables */
        bool sets;                   /* Environment= of one of them: overridden by ours */
        struct config_strings files; /* EnvironmentFile=, behind the last reset; without "-" */
};
#define _cleanup_drop_in_ _cleanup_(drop_in_clear) struct drop_in
void drop_in_clear(struct drop_in *drop_in);

/* text is changed. Returns 0 or -ENOMEM. */
int drop_in_parse(char *text, struct drop_in *ret);

/* Whether a file of variables sets one of ours. */
bool sets_variable(const char *text);

/* The drop-ins of the unit below root that take effect and make ours worth less, as paths; and those that
 * ours overrides. Ours missing or replaced counts too. Both owned by the caller, freed with strings_clear.
 * Returns 0 or -ENOMEM. */
int drop_ins_look(const char *root, const char *unit, struct config_strings *ret_shadowing,
                  struct config_strings *ret_overridden);
void strings_clear(struct config_strings *strings);
int strings_add(struct config_strings *strings, const char *text);
#define _cleanup_strings_ _cleanup_(strings_clear) struct config_strings
