/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A page in the Prometheus text format 0.0.4 as OpenMetrics 1.0. */

#include <stddef.h>
#include <stdio.h>

#include "cleanup.h"

#define TEXT_FORMAT_TYPE "text/plain; version=0.0.4; charset=utf-8"
#define OPENMETRICS_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"

/* Writes the families of a page as OpenMetrics, without the final "# EOF". The page is of the form that
 * metric_render writes: HELP, then TYPE, then the samples of a family, no timestamps. */
void openmetrics_write(FILE *stream, const char *page, size_t size);

/* Ends the page; nothing may follow. */
void openmetrics_end(FILE *stream);
