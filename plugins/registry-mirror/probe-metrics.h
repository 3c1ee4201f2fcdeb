/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The endpoints' metrics. */

#include "json.h"
#include "probes.h"

/* Of so many endpoints at most: the report has a limit. */
#define PROBE_METRICS_MAX 128

/* Adds them to the report's metrics. Returns 0 or -ENOMEM. */
int probe_metrics(const struct probes *probes, json_object *metrics);
