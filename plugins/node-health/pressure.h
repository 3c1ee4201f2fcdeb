/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Pressure stall information (Documentation/accounting/psi.rst): which part of the time tasks waited for
 * memory, I/O or CPU. No check makes anything of the CPU's: a node that is busy is not ill
 * (kubernetes/enhancements#5062). */

#include "check.h"

struct pressure_line {
        double avg10, avg60, avg300; /* fractions of the time */
        uint64_t total_usec;
};

struct pressure {
        bool measured;
        struct pressure_line some, full; /* at least one task waited; all did */
};

struct pressure_watch {
        struct pressure memory, io, cpu;
        bool memory_high, io_high; /* said so, until avg60 is low again */
};

/* Parses a whole file of /proc/pressure. A kernel before 5.13 has no line "full" for the CPU: it is zero.
 * Returns 0 or -EBADMSG. */
int pressure_parse(const char *text, struct pressure *ret);

int memory_pressure_start(struct check_run *run);
int io_pressure_start(struct check_run *run);
int memory_pressure_metrics(const struct node *node, json_object *metrics);
int io_pressure_metrics(const struct node *node, json_object *metrics);
