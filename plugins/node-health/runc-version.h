/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The version of runc, which nothing but runc itself tells: containerd passes it on from 2.0 on only, and
 * executes it for that. It is asked once, and again when its file has changed. */

#include <stdbool.h>

#include "files.h"
#include "probe.h"

struct node;

struct runc_version {
        char text[64];           /* "1.1.12"; empty: not known */
        struct file_stamp stamp; /* of what was asked */
        struct probe probe;
        char *path; /* while it is asked */
        void (*done)(void *userdata);
        void *userdata;
};

/* Asks a runc that was not asked yet, and calls done when it has answered or died. Returns false, without
 * calling done, when there is nothing to ask. */
bool runc_version_ask(struct node *node, void (*done)(void *userdata), void *userdata);
/* Kills what was asked; it will be asked again. */
void runc_version_stop(struct runc_version *runc);
