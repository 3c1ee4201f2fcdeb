/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A real S3 server: OpenStack Swift's s3api in one process (swift-server.py), with TLS of a private
 * authority. Failures fail the test. */

#include <sys/types.h>

struct swift {
        pid_t pid; /* 0: not running */
        unsigned port, tls_port;
        char endpoint[64]; /* https */
        char plain_endpoint[64];
};

/* Files that swift_start makes below the root, as paths of a configuration there. */
#define SWIFT_CA          "/etc/s3/ca.crt"
#define SWIFT_OTHER_CA    "/etc/s3/other-ca.crt"
#define SWIFT_CREDENTIALS "/etc/s3/credentials"
#define SWIFT_KEY         "test:tester"
#define SWIFT_SECRET      "testing"
#define SWIFT_BUCKET      "backups"

/* Starts it, waits until it serves, and makes the bucket. */
void swift_start(struct swift *swift, const char *root);
void swift_stop(struct swift *swift);
