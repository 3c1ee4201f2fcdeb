/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the kernel says when something is wrong: one row for each kind of message. */

#include <stdbool.h>
#include <stddef.h>

enum kernel_effect {
        KERNEL_NOTE,   /* a warning for a while */
        KERNEL_HUNG,   /* as KERNEL_LOCKUP for a task that every node needs, else as KERNEL_NOTE */
        KERNEL_LOCKUP, /* fails for a while: it may pass, and the kernel repeats it while it lasts */
        KERNEL_BROKEN, /* fails until the next boot */
        KERNEL_IO,     /* of the node's own disks it fails for a while; of others a warning for a while */
        KERNEL_DAMAGE, /* of the node's own disks it fails until the next boot; of others a warning */
        KERNEL_OOM,    /* names what the out-of-memory killer killed */
};

struct kernel_rule {
        const char *name;   /* in metrics; rows of one name have one reason and effect */
        const char *reason; /* CamelCase, for the check and its condition */
        enum kernel_effect effect;
        const char *start;       /* the text begins so; NULL: anything */
        const char *contains[2]; /* and then contains these, in this order */
        const char *device;      /* the name of a disk stands behind this; NULL: none is named */
};

#define KERNEL_RULES_MAX 32 /* rows, for the arrays that are held beside the table */
extern const struct kernel_rule kernel_rules[];
extern const size_t n_kernel_rules;

/* The first rule that a text of the kernel's fits, or NULL. */
const struct kernel_rule *kernel_rule_find(const char *text);

/* The first row of that name, which stands for all rows of that name; n_kernel_rules: there is none. */
size_t kernel_rule_index(const char *name);

/* The disk that a text of this rule names. Returns its length, 0 when there is none; ret points into the
 * text. */
size_t kernel_rule_device(const struct kernel_rule *rule, const char *text, const char **ret_device);

/* Whether the task that "INFO: task NAME:PID blocked for more than …" names is one that every node needs. */
bool kernel_task_is_needed(const char *text);
