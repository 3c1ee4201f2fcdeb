/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The body of a response, shared by all who are being sent it: a hundred slow readers of one document hold
 * one copy. */

#include <stddef.h>

#include "cleanup.h"

struct body {
        size_t references;
        size_t size;
        char data[];
};

/* A copy of the bytes, with one reference. NULL: no memory. */
struct body *body_new(const void *data, size_t size);
struct body *body_ref(struct body *body);
struct body *body_unref(struct body *body); /* returns NULL; NULL is fine */
DEFINE_CLEANUP(struct body *, body_unref)
