/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What errno cannot say: why something a person configured, or a peer answered, was refused. A failure
 * travels up as the last parameter and becomes a condition's reason and message unchanged. */

#include <stdarg.h>

#include "cleanup.h"

struct failure {
        char *reason;  /* CamelCase, explains itself in MachineHealthCheck's one line: "CertificateRefused" */
        char *message; /* one line for a person, names the place and the remedy */
};

#define _cleanup_failure_ _cleanup_(failure_clear) struct failure

/* Frees both texts and empties the failure. */
void failure_clear(struct failure *failure);

/* Sets reason and message, replacing what was there; failure may be NULL. Returns error (negative errno), so
 * that a caller writes `return failure_set(failure, -EINVAL, "Reason", "…", …);`. */
int failure_set(struct failure *failure, int error, const char *reason, const char *format, ...)
        _printf_(4, 5);

/* Puts "text: " in front of the message, once per level that knows more; failure may be NULL. */
void failure_prefix(struct failure *failure, const char *format, ...) _printf_(2, 3);
