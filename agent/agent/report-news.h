/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Whether anybody waits for what a report says. A plugin that only renews its report moves times, numbers and
 * texts; those go out with the next renewal of the health document. */

#include <stdbool.h>

#include "report.h"

/* A number that two texts have in common when they differ in nothing but "generatedAt", as those of a plugin
 * at rest do; others have it once in 2^64. Never 0. */
uint64_t report_mark(const char *text, size_t size);

bool report_is_news(const struct report *before, const struct report *now);
