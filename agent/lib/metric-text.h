/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The samples of a family as JSON text, one on a line: for metrics that are written and not read here. json-c
 * takes 1.6 KB for each sample, and longer to make and to write them than node-health's checks take. */

#include <stdarg.h>
#include <stdbool.h>

#include "json.h"

/* An empty array "metrics" whose families get such samples from metric_add. NULL: no memory. */
json_object *metric_text_array(void);
bool metric_text_is_array(json_object *metrics);

/* What stands for the array "samples" of a family of such an array; only its text is of use. NULL: no
 * memory. */
json_object *metric_text_samples(void);
/* Adds a sample; labels as for metric_add. Returns 0 or -ENOMEM. */
int metric_text_add(json_object *samples, double value, va_list labels);
