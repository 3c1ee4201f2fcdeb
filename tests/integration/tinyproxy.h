/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A real HTTP proxy, tinyproxy(8), on a port of this machine. Failures fail the test. */

#include <sys/types.h>

struct tinyproxy {
        pid_t pid;
        unsigned port;
        const char *root; /* where its configuration and its log lie */
        char url[64];
};

/* rule: a line of its configuration more, or "". */
void tinyproxy_start(struct tinyproxy *proxy, const char *root, const char *rule);
void tinyproxy_stop(struct tinyproxy *proxy); /* does nothing when it does not run */
/* "CONNECT host:port" or "GET http://…", as its log has it. */
void tinyproxy_assert_passed(const struct tinyproxy *proxy, const char *request);
