/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* How copies, and what was proven of them, are shown to people and to programs. */

#include "copies.h"
#include "json.h"
#include "proof.h"

/* The manifest, with the target's name and what it adds. Returns 0 or -ENOMEM. */
int copy_report_append(json_object *array, const char *target, const struct copy *copy);

/* One line; error is copy_prove's. target NULL: it is no target's. */
void proof_report_print(const char *target, const char *name, int error, enum proof proof,
                        const struct archive_facts *facts, const struct failure *failure);
/* The same as an object. Returns 0 or -ENOMEM. */
int proof_report_append(json_object *results, const char *target, const char *name, int error,
                        enum proof proof, const struct archive_facts *facts, const struct failure *failure);
