/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A target at a real S3 server, with a proxy before it that breaks what a test wants broken, and copies to
 * put there. Failures fail the test. */

#include "failure.h"
#include "fault-proxy.h"
#include "store.h"
#include "swift.h"

extern char *root;
extern struct swift swift;
extern struct fault_proxy proxy;
extern struct backup_target target; /* its endpoint is the proxy's */

int s3_target_set_up(void **state);
int s3_target_tear_down(void **state);
/* Before each test: an unbroken target with a prefix of its own. */
int s3_target_begin(void **state);

struct store *open_store(void);
/* An archive of `size` bytes that do not compress, and its manifest. */
int make_copy(const char *node, size_t size, struct manifest **ret);
int put(struct store *store, const char *node, size_t size, struct failure *failure);
void assert_put(struct store *store, const char *node, size_t size);
void assert_copies(size_t n); /* so many whole ones, and none else */
size_t count_objects(void);   /* under the test's prefix, and uploads there, copies or not */

#define ERROR_ANSWER(status, code, message)                                                       \
        "HTTP/1.1 " status "\r\nContent-Type: application/xml\r\nConnection: close\r\n\r\n"       \
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>" code "</Code><Message>" message \
        "</Message></Error>"
