/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "plugin.h"

/* The report's metrics, timer request and info. */
int backup_report(struct plugin_context *ctx, struct report *report);
