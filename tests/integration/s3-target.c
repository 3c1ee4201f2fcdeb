/* SPDX-License-Identifier: Apache-2.0 */

#include "s3-target.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "etcd-copy.h"
#include "files.h"
#include "program.h"
#include "s3-list.h"

char *root;
struct swift swift;
struct fault_proxy proxy;
struct backup_target target;
static uint64_t next_sequence = 1;

int s3_target_set_up(void **state)
{
        signal(SIGPIPE, SIG_IGN);
        root = root_make();
        swift_start(&swift, root);
        fault_proxy_start(&proxy, swift.port);
        return 0;
}

int s3_target_tear_down(void **state)
{
        fault_proxy_stop(&proxy);
        swift_stop(&swift);
        root_remove(root);
        return 0;
}

int s3_target_begin(void **state)
{
        static char prefix[32];
        static unsigned number;

        (void)snprintf(prefix, sizeof(prefix), "test-%u/", ++number);
        target = (struct backup_target){ .name = (char *)"offsite",
                                         .kind = TARGET_S3,
                                         .allow_plaintext = true,
                                         .s3 = { .endpoint = proxy.endpoint,
                                                 .region = (char *)"us-east-1",
                                                 .bucket = (char *)SWIFT_BUCKET,
                                                 .prefix = prefix,
                                                 .credentials_file = (char *)SWIFT_CREDENTIALS } };
        proxy.fault = NULL;
        return 0;
}

struct store *open_store(void)
{
        _cleanup_failure_ failure = {};
        struct store *store;

        if (store_open(&target, root, NULL, &store, &failure) < 0)
                fail_msg("%s", failure.message);
        return store;
}

int make_copy(const char *node, size_t size, struct manifest **ret)
{
        struct manifest *manifest = sample_manifest("c", node, next_sequence++);
        _cleanup_free_ uint8_t *bytes = malloc(size + 1);
        int fd = open(root, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        struct hasher *hasher;

        assert_true(fd >= 0);
        for (size_t done = 0; done < size;)
                done += (size_t)getrandom(bytes + done, size - done, 0);
        manifest->db_size = manifest->raw_size = manifest->stored_size = size;
        assert_int_equal(hasher_new(&hasher), 0);
        assert_int_equal(hasher_add(hasher, bytes, size), 0);
        assert_int_equal(hasher_finish(hasher, manifest->stored_sha256), 0);
        hasher_free(hasher);
        assert_int_equal(write_all(fd, bytes, size), 0);
        manifest->stored_file = copy_name("c", node, manifest->started_usec, manifest->revision, false);
        manifest->verified_usec = manifest->started_usec;
        *ret = manifest;
        return fd;
}

int put(struct store *store, const char *node, size_t size, struct failure *failure)
{
        _cleanup_(manifest_freep) struct manifest *manifest = NULL;
        _cleanup_close_ int fd = make_copy(node, size, &manifest);

        return store_put(store, fd, manifest, failure);
}

void assert_put(struct store *store, const char *node, size_t size)
{
        _cleanup_failure_ failure = {};

        if (put(store, node, size, &failure) < 0)
                fail_msg("%s", failure.message);
}

void assert_copies(size_t n)
{
        _cleanup_(store_closep) struct store *store = open_store();
        _cleanup_failure_ failure = {};
        _cleanup_copies_ copies = {};

        if (store_list(store, "c", NULL, &copies, &failure) < 0)
                fail_msg("%s", failure.message);
        assert_int_equal(copies.count, n);
        for (size_t i = 0; i < n; i++)
                assert_true(copies.items[i].whole);
}

size_t count_objects(void)
{
        _cleanup_(s3_closep) struct s3 *s3 = NULL;
        _cleanup_s3_objects_ objects = {};
        _cleanup_s3_uploads_ uploads = {};

        assert_int_equal(s3_open(&target.s3, root, NULL, &s3, NULL), 0);
        assert_int_equal(s3_list_objects(s3, target.s3.prefix, &objects, NULL), 0);
        assert_int_equal(s3_list_uploads(s3, target.s3.prefix, &uploads, NULL), 0);
        return objects.count + uploads.count;
}
