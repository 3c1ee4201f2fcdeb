/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Whether anybody waits for what a report says. A plugin that only renews its report moves times, numbers and
 * texts; those go out with the next renewal of the health document. */

#include <stdbool.h>

#include "report.h"

bool report_is_news(const struct report *before, const struct report *now);
