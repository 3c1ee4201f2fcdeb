/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A control plane (backup-node.h) with a target at a real S3 server, Swift, behind a proxy that breaks what a
 * test wants broken. */

#include <stddef.h>

#include "fault-proxy.h"
#include "s3.h"
#include "store.h"
#include "swift.h"

extern struct fault_proxy offsite_proxy;
extern char offsite_prefix[32]; /* of each test's own */

int offsite_set_up(void **state); /* of the group */
int offsite_tear_down(void **state);
int offsite_begin(void **state); /* of each test */

#define LOCAL "{ \"name\": \"local\", \"path\": \"/" SNAPSHOTS "\" }"

/* Writes the configuration with these targets. */
void configure(const char *format, ...) _printf_(1, 2);
void configure_sealed(const char *format, ...) _printf_(1, 2); /* with a recipient */
void configure_local_and_offsite(void);
void configure_offsite_alone(void);

/* A target through the proxy. Owned by the caller. */
char *offsite(const char *name, const char *bucket);
char *offsite_allowing(const char *name, const char *bucket, const char *plaintext);
char *offsite_keeping(const char *retention);

/* Past the proxy. */
struct s3_access access_to_swift(void);
struct store *open_store(void);

/* So many whole copies are there, and nothing else. */
void assert_arrived(size_t n);
/* What is written down of the last run at that target; NULL: that it has its copy. */
void assert_trouble(const char *target, const char *reason);

#define REFUSAL                                               \
        "HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n" \
        "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
