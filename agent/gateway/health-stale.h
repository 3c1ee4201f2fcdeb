/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What remains of a health document when the agent that wrote it is silent: its facts, and nothing judged. */

#include <stdint.h>

#include "json.h"

/* A copy of the document with status Unknown, every condition Unknown and every check Unknown for the reason
 * AgentSilent, every capability Silent. since_usec (CLOCK_REALTIME) is when it ceased to be believed. Returns
 * 0 or -ENOMEM; ret is owned by the caller. */
int health_make_stale(json_object *document, uint64_t since_usec, json_object **ret);
