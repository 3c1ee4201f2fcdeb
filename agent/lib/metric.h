/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Metrics: a plugin adds families and samples to its report; the agent renders all reports' families as one
 * page in the Prometheus text format 0.0.4. */

#include <stdio.h>

#include "json.h"

#define METRIC_NAME_PREFIX "capi_node_"

enum metric_type { METRIC_GAUGE, METRIC_COUNTER };

/* Adds a sample to the family `name` of the array "metrics", making the family (with help) at its first
 * sample. Labels are pairs of name and value, ended by NULL: metric_add(metrics, METRIC_GAUGE, "capi_node_x",
 * "Help.", 1.0, "path", "/", NULL). Counters end in _total. Returns 0 or -ENOMEM. */
int metric_add(json_object *metrics, enum metric_type type, const char *name, const char *help, double value,
               ...) __attribute__((sentinel));

/* The value of a counter without labels; 0 when there is none. */
uint64_t metric_counter(json_object *metrics, const char *name);

/* Makes families of a report's "metrics" whose samples are text, for keeping and for metric_render: as JSON a
 * sample takes 1.6 KB, because each json-c object has room for 16 keys, and most of the time of reading a
 * report. The label plugin="NAME" is added. before: the plugin's families of the time before, of which those
 * that did not change are taken; may be NULL. What is no list, or NULL, has no families. Returns 0; -ENOMEM;
 * or -EINVAL with a failure when a family is not well-formed: name with our prefix and of [a-z0-9_], type,
 * help, label names, numbers. */
int metric_condense(const char *metrics, const char *plugin, json_object *before, json_object **ret,
                    struct failure *failure);

/* Writes one page: families in order of name, those of the same name from several arrays joined, the label
 * plugin="NAME" added to every sample when plugins is not NULL. arrays and plugins have `count` elements. */
int metric_render(FILE *stream, json_object *const *arrays, const char *const *plugins, size_t count);
