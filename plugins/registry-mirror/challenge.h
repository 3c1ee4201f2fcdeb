/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* WWW-Authenticate of a registry (RFC 9110, 11.6.1; distribution: docs/spec/auth/token.md). */

#include <stddef.h>

#define CHALLENGE_VALUE_SIZE 512

struct challenge {
        char realm[CHALLENGE_VALUE_SIZE], service[CHALLENGE_VALUE_SIZE], scope[CHALLENGE_VALUE_SIZE];
};

/* Takes a Bearer challenge apart; what is not in it is "". Returns 0, -ENOENT when it is another scheme's,
 * -EBADMSG when it is not well-formed, or too long. */
int challenge_parse(const char *text, struct challenge *ret);
