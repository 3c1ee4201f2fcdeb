/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Debian's tinyproxy on a port of its own of 127.0.0.1, in a directory of its own below root. */

#include <sys/types.h>

struct tinyproxy {
        const char *root;
        const char *credentials; /* "USER PASSWORD"; NULL: lets everybody through */
        unsigned port;           /* 0: any, which is then set */
        unsigned connect_port;   /* the only one that it connects to */
        pid_t pid;
};

/* Fails the test when it does not come up. */
void tinyproxy_start(struct tinyproxy *proxy);
void tinyproxy_stop(struct tinyproxy *proxy);
