/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "plugin.h"

int ca_report(struct plugin_context *ctx, struct report *report);
