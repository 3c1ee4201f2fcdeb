/* SPDX-License-Identifier: Apache-2.0 */

/* Encrypted and authenticated copies of a real etcd, opened again with the tools that everybody has. */

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
#include "program.h"

#define KEY_FILE "etc/capi-node-agent/etcd-backup.key"

/* Two recipients and a key, either as wanted. */
static void configure(bool encrypts, bool authenticates)
{
        _cleanup_free_ char *text = NULL, *one = root_read(root, "recipient1"),
                            *two = root_read(root, "recipient2"), *recipients = NULL;

        assert_true(asprintf(&recipients, "\"recipients\": [ \"%s\", \"%s\" ]", one, two) > 0);
        assert_true(asprintf(&text,
                             "{ \"cluster\": \"" CLUSTER "\", \"etcd\": { \"endpoint\": \"%s\" },\n"
                             "  \"encryption\": { %s%s %s },\n"
                             "  \"targets\": [ { \"name\": \"local\", \"path\": \"/" SNAPSHOTS "\",\n"
                             "                 \"retention\": { \"keepLast\": 2 } } ] }\n",
                             member.endpoint, encrypts ? recipients : "",
                             encrypts && authenticates ? "," : "",
                             authenticates ? "\"authenticationKeyFile\": \"/" KEY_FILE "\"" : "") > 0);
        root_write(root, CONFIG, text, 0600);
}

static int group_set_up(void **state)
{
        if (backup_node_set_up(state) < 0)
                return -1;
        return shell("for i in 1 2 3; do age-keygen -o key$i 2>/dev/null; "
                     "age-keygen -y key$i | tr -d '\\n' >recipient$i; done")
                       ? 0
                       : -1;
}

static int set_up(void **state)
{
        backup_node_reset(state);
        root_write(root, KEY_FILE, "0123456789abcdef0123456789abcdef\n", 0600);
        configure(true, true);
        return 0;
}

static int verify(const char *identity)
{
        _cleanup_free_ char *path = NULL;

        assert_true(asprintf(&path, "%s/%s", root, identity ?: "") > 0);
        return program_wait(
                program_start(ETCD_BACKUP, (const char *[]){ "--root", root, "verify", "--all",
                                                             identity ? "--identity" : NULL, path, NULL }));
}

/* Another byte than it was: one that is written over it is the same once in 256 times. */
static void spoil(const char *file, off_t at)
{
        _cleanup_free_ char *path = under(file);
        _cleanup_close_ int fd = open(path, O_RDWR | O_CLOEXEC);
        uint8_t byte;

        assert_int_equal(pread(fd, &byte, 1, at), 1);
        byte ^= 0xff;
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
}

/* The archive of the only copy, below the root. */
static char *copy_file(void)
{
        _cleanup_copies_ copies = load_copies();
        char *path;

        assert_int_equal(copies.count, 1);
        assert_true(copies.items[0].whole);
        assert_true(copies.items[0].manifest->walked);
        assert_true(asprintf(&path, SNAPSHOTS "/%s", copies.items[0].manifest->stored_file) > 0);
        return path;
}

static void age_zstd_tar_and_etcd_restore_a_copy(void **state)
{
        _cleanup_free_ char *file = NULL;

        assert_int_equal(take_snapshot(), 0);
        assert_last_run("VerifiedCopyTaken");
        file = copy_file();
        assert_string_equal(strrchr(file, '.'), ".age");
        assert_true(shell("test $(stat -c %%a %s) = 600", file));
        for (int i = 1; i <= 2; i++)
                assert_true(shell("rm -rf out && mkdir out && age -d -i key%d %s | zstd -qd | tar -x -C out",
                                  i, file));
        assert_true(shell("export ETCDCTL_API=3; etcdctl snapshot restore out/snapshot.db --data-dir "
                          "out/data >/dev/null 2>&1"));
        assert_false(shell("age -d -i key3 -o never %s 2>/dev/null", file));
        /* And nothing of it stands there in clear. */
        assert_false(shell("grep -q greeting %s", file));
}

static void verify_proves_as_much_as_it_can(void **state)
{
        assert_int_equal(take_snapshot(), 0);
        assert_int_equal(verify(NULL), 0);
        assert_int_equal(verify("key1"), 0);
        assert_int_equal(verify("key2"), 0);
        assert_int_equal(verify("key3"), 1);
        assert_int_equal(verify("nowhere"), 78);
        assert_int_equal(verify("recipient1"), 78);
}

static void every_kind_of_damage_is_found(void **state)
{
        _cleanup_free_ char *file = NULL;

        assert_int_equal(take_snapshot(), 0);
        file = copy_file();
        assert_true(shell("cp %s good", file));
        spoil(file, 5000);
        assert_int_equal(verify(NULL), 1);
        assert_int_equal(verify("key1"), 1);
        assert_true(shell("head -c -1 good >%s", file));
        assert_int_equal(verify("key1"), 1);
        assert_true(shell("cp good %s", file));
        assert_int_equal(verify("key1"), 0);
}

/* Makes the manifest say that the file is what was stored. */
static void bless(const char *file)
{
        assert_true(shell("jq --arg h $(sha256sum <%s | cut -c1-64) --argjson s $(stat -c %%s %s) "
                          "'.stored.sha256 = $h | .stored.size = $s' %s.manifest.json >x; "
                          "mv x %s.manifest.json",
                          file, file, file, file));
}

/* A fault of zstd, of age or of memory, before what is stored was hashed: the read-back after a run cannot
 * see it, whoever opens the copy does. */
static void what_was_packed_wrongly_is_found_by_who_opens_it(void **state)
{
        _cleanup_free_ char *zstd = NULL, *age = NULL;

        configure(false, false);
        assert_int_equal(take_snapshot(), 0);
        zstd = copy_file();
        spoil(zstd, 3000);
        bless(zstd);
        assert_int_equal(verify(NULL), 1);
        assert_true(shell("rm " SNAPSHOTS "/*"));

        configure(true, false);
        assert_int_equal(take_snapshot(), 0);
        age = copy_file();
        assert_true(shell("cp %s good", age));
        spoil(age, 3000);
        bless(age);
        assert_int_equal(verify(NULL), 0); /* the stored bytes, as far as a node can see */
        assert_int_equal(verify("key1"), 1);
        assert_true(shell("age -d -i key1 good >inner"));
        spoil("inner", 3000);
        assert_true(shell("age -R recipient1 inner >%s", age));
        bless(age);
        assert_int_equal(verify("key1"), 1);
}

/* What only knows the recipients, as whoever can write to a target does, cannot make a copy. */
static void a_forged_copy_is_refused(void **state)
{
        _cleanup_free_ char *file = NULL;

        assert_int_equal(take_snapshot(), 0);
        file = copy_file();
        assert_true(
                shell("cp %s.manifest.json good; age -d -i key1 %s | age -R recipient1 >forged; mv forged %s",
                      file, file, file));
        assert_true(shell("cp good %s.manifest.json", file));
        bless(file);
        assert_int_equal(verify("key1"), 1);
        assert_int_equal(verify(NULL), 1);
        assert_true(shell("jq 'del(.hmac)' %s.manifest.json >x; mv x %s.manifest.json", file, file));
        assert_int_equal(verify("key1"), 1);

        /* Only the key tells it from a real one. */
        configure(true, false);
        assert_int_equal(verify("key1"), 0);
}

static void another_key_refuses(void **state)
{
        assert_int_equal(take_snapshot(), 0);
        root_write(root, KEY_FILE, "fedcba9876543210fedcba9876543210\n", 0600);
        assert_int_equal(verify("key1"), 1);
}

static void other_tools_compute_the_same_hmac(void **state)
{
        _cleanup_free_ char *file = NULL;

        assert_int_equal(take_snapshot(), 0);
        file = copy_file();
        assert_true(shell(
                "test \"$(jq -cjS 'del(.hmac)' %s.manifest.json | openssl dgst -sha256 -mac HMAC -macopt "
                "hexkey:$(od -An -v -tx1 " KEY_FILE " | tr -d ' \\n') | sed 's/.*= //')\" = "
                "\"$(jq -r .hmac %s.manifest.json)\"",
                file, file));
}

static void a_weak_missing_or_exposed_key_takes_nothing(void **state)
{
        root_write(root, KEY_FILE, "too short", 0600);
        assert_int_equal(take_snapshot(), 1);
        assert_last_run("AuthenticationKeyInvalid");
        root_write(root, KEY_FILE, "0123456789abcdef0123456789abcdef\n", 0644);
        assert_int_equal(take_snapshot(), 1);
        assert_last_run("SecretFileExposed");
        assert_true(shell("rm " KEY_FILE));
        assert_int_equal(take_snapshot(), 1);
        assert_last_run("SecretFileUnreadable");
        assert_true(shell("test ! -e " SNAPSHOTS " || test -z \"$(ls -A " SNAPSHOTS ")\""));
}

static void a_copy_in_clear_can_be_authenticated_too(void **state)
{
        _cleanup_free_ char *file = NULL;

        configure(false, true);
        assert_int_equal(take_snapshot(), 0);
        file = copy_file();
        assert_string_equal(strrchr(file, '.'), ".zst");
        assert_int_equal(verify(NULL), 0);
        assert_true(shell("sed -i 's/\"revision\":/\"revision\":1/' %s.manifest.json", file));
        assert_int_equal(verify(NULL), 1);
}

/* Whoever switches encryption on keeps what he had, and retention counts both. */
static void copies_of_both_kinds_live_together(void **state)
{
        configure(false, false);
        assert_int_equal(take_snapshot(), 0);
        assert_int_equal(take_snapshot(), 0);
        configure(true, false);
        assert_int_equal(take_snapshot(), 0);
        assert_int_equal(verify(NULL), 0);
        assert_int_equal(verify("key1"), 0);
        assert_true(shell("cd " SNAPSHOTS "; test $(ls | wc -l) = 4; test $(ls | grep -c 'age$') = 1; test "
                          "$(ls | grep -c 'zst$') = 1"));
}

#define ENCRYPTION_TEST(f) cmocka_unit_test_setup(f, set_up)

int main(void)
{
        const struct CMUnitTest tests[] = {
                ENCRYPTION_TEST(age_zstd_tar_and_etcd_restore_a_copy),
                ENCRYPTION_TEST(verify_proves_as_much_as_it_can),
                ENCRYPTION_TEST(every_kind_of_damage_is_found),
                ENCRYPTION_TEST(what_was_packed_wrongly_is_found_by_who_opens_it),
                ENCRYPTION_TEST(a_forged_copy_is_refused),
                ENCRYPTION_TEST(another_key_refuses),
                ENCRYPTION_TEST(other_tools_compute_the_same_hmac),
                ENCRYPTION_TEST(a_weak_missing_or_exposed_key_takes_nothing),
                ENCRYPTION_TEST(a_copy_in_clear_can_be_authenticated_too),
                ENCRYPTION_TEST(copies_of_both_kinds_live_together),
        };

        return cmocka_run_group_tests(tests, group_set_up, backup_node_tear_down);
}
