/* SPDX-License-Identifier: Apache-2.0 */

/* The same with etcd 3.5: Debian 13's, and the newest that Debian has. 3.4 is what all other tests run. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "backup-node.h"
#include "files.h"
#include "json.h"
#include "program.h"

static int set_up(void **state)
{
        backup_node_use(*state, 0, true);
        return backup_node_reset(state);
}

static int set_up_group(void **state)
{
        root = root_make();
        etcd_make_pki(root);
        return 0;
}

/* Branches, overflow pages, deletions and free pages. */
static void use_etcd(void)
{
        etcd_put_many(&member, "registry/pods/default/some-name", 800, 700);
        free(etcd_ctl(&member,
                      (const char *[]){ "del", "--prefix", "registry/pods/default/some-name-1", NULL }));
        etcd_put_many(&member, "large", 8, 200000);
        free(etcd_ctl(&member, (const char *[]){ "compaction", "700", "--physical", NULL }));
        etcd_put_many(&member, "registry/pods/default/some-name", 300, 3000);
}

static void flip_a_byte(const char *path, off_t at)
{
        _cleanup_close_ int fd = open(path, O_RDWR | O_CLOEXEC);
        uint8_t byte;

        assert_int_equal(pread(fd, &byte, 1, at), 1);
        byte ^= 1;
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
}

static void a_copy_is_what_etcdutl_says_of_it_and_verify_finds_a_flipped_byte(void **state)
{
        _cleanup_free_ char *command = NULL, *path = under("snapshot.db"), *answer = NULL;
        _cleanup_json_ json_object *status = NULL;
        const struct manifest *manifest;
        struct copies copies;

        use_etcd();
        assert_int_equal(take_snapshot(), 0);
        assert_only_whole_copies(1);
        assert_int_equal(run_plugin("verify", NULL), 0);

        assert_true(asprintf(&command, "cd %s && zstd -dc " SNAPSHOTS "/*.tar.zst | tar -x snapshot.db",
                             root) > 0);
        assert_int_equal(system(command), 0);
        answer = etcd_utl(&member, (const char *[]){ "snapshot", "status", path, "-w", "json", NULL });
        status = json_tokener_parse(answer);
        copies = load_copies();
        manifest = copies.items[0].manifest;
        assert_true(manifest->walked);
        assert_true(json_integer(status, "hash", -1) == (int64_t)manifest->hash);
        assert_true(json_integer(status, "totalKey", -1) == (int64_t)manifest->keys);
        assert_true(json_integer(status, "revision", -1) == manifest->revision);
        copies_clear(&copies);

        assert_int_equal(run_plugin("verify", path), 0);
        flip_a_byte(path, 5 * 4096 + 1234);
        assert_int_equal(run_plugin("verify", path), 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST_OF("trixie", a_copy_is_what_etcdutl_says_of_it_and_verify_finds_a_flipped_byte, set_up,
                        NULL),
                TEST_OF("sid", a_copy_is_what_etcdutl_says_of_it_and_verify_finds_a_flipped_byte, set_up,
                        NULL),
        };

        return cmocka_run_group_tests(tests, set_up_group, backup_node_tear_down);
}
