/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the report has of the endpoints. */

#include "json.h"
#include "probes.h"
#include "report.h"

/* Of so many endpoints at most: the report has a limit. */
#define PROBE_REPORT_MAX 128

/* Adds their metrics, and to the report's info `probes`, a list of {registry, endpoint, usable (null: not
 * asked yet), answer, demoted}. Returns 0 or -ENOMEM. */
int probe_report(const struct probes *probes, struct report *report);

/* Prints that list from the plugin's report, for people. Prints nothing when there is none. */
void probe_print(const char *report_path);
