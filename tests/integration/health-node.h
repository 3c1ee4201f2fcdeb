/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The real plugin node-health below a scratch root, looking every second. Failures fail the test. */

#include <sys/types.h>

#include "cleanup.h"
#include "fake-systemd.h"
#include "report.h"

struct health_node {
        char *root, *report_path;
        pid_t plugin;
        struct fake_systemd systemd;
};

/* cmocka's setup and teardown; *state is the struct health_node. */
int health_node_make(void **state);
int health_node_remove(void **state);

/* Starts the plugin with these checks on, and all others off; the names end with NULL. */
void health_node_start(struct health_node *node, const char *const *names);
#define START(node, ...) health_node_start(node, (const char *const[]){ __VA_ARGS__, NULL })

void health_node_make_directory(const struct health_node *node, const char *name);
/* Of a static pod. */
void health_node_write_manifest(const struct health_node *node, const char *name, const char *format, ...)
        _printf_(3, 4);

/* The report as it is now, owned by the caller; NULL: there is none. */
struct report *health_node_report(const struct health_node *node);

/* Waits until the check, or the condition, has that status and reason; status NULL: until it is not in the
 * report. */
void health_node_wait_check(struct health_node *node, const char *check, const char *status,
                            const char *reason);
void health_node_wait_condition(struct health_node *node, const char *type, const char *status,
                                const char *reason);
