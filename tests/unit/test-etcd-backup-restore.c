/* SPDX-License-Identifier: Apache-2.0 */

/* What a restore reads of the node: static manifests, containers, etcd's programs, revisions on record. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "containers.h"
#include "etcd-tool.h"
#include "files.h"
#include "kubeadm-upgrade.h"
#include "quantity.h"
#include "restore-journal.h"
#include "revision-journal.h"
#include "static-manifests.h"

static char directory[] = "/tmp/test-restore-XXXXXX";

static int set_up(void **state)
{
        strcpy(directory + strlen(directory) - 6, "XXXXXX");
        assert_non_null(mkdtemp(directory));
        assert_int_equal(chdir(directory), 0);
        return 0;
}

static int tear_down(void **state)
{
        _cleanup_free_ char *command = NULL;

        assert_true(asprintf(&command, "rm -rf %s", directory) > 0);
        assert_int_equal(chdir("/"), 0);
        return system(command);
}

static void write_file(const char *path, const char *text)
{
        _cleanup_free_ char *joined = path_under(directory, path), *parent = strdup(joined);

        *strrchr(parent, '/') = '\0';
        assert_int_equal(directory_make(parent, 0700), 0);
        assert_int_equal(file_write(joined, text, strlen(text), 0755), 0);
}

static void assert_flag(const char *manifest, const char *flag, const char *expected)
{
        _cleanup_free_ char *value = static_manifest_flag(manifest, flag);

        if (expected)
                assert_string_equal(value, expected);
        else
                assert_null(value);
}

static void assert_tag(const char *manifest, const char *expected)
{
        _cleanup_free_ char *tag = static_manifest_image_tag(manifest);

        if (expected)
                assert_string_equal(tag, expected);
        else
                assert_null(tag);
}

static void arguments_are_found_however_yaml_writes_them(void **state)
{
        const char *manifest = "spec:\n  containers:\n  - command:\n    - etcd\n    - --name=cp-0\n"
                               "    - \"--data-dir=/var/lib/etcd\"\n    - --listen='quoted'\r\n";

        assert_flag(manifest, "name", "cp-0");
        assert_flag(manifest, "data-dir", "/var/lib/etcd");
        assert_flag(manifest, "listen", "quoted");
        assert_flag(manifest, "nam", NULL);
        assert_flag("", "name", NULL);
}

static void the_tag_of_an_image_is_neither_a_port_nor_a_digest(void **state)
{
        assert_tag("    image: registry.example.org/etcd:3.5.16-0\n", "3.5.16-0");
        assert_tag("    image: \"host:5000/etcd:v3.6.1\"\n", "v3.6.1");
        assert_tag("    image: etcd:3.5.16-0@sha256:0011\n", "3.5.16-0");
        assert_tag("    image: host:5000/etcd\n", NULL);
        assert_tag("    image: etcd@sha256:0011\n", NULL);
        assert_tag("", NULL);
}

static void a_manifest_goes_aside_and_comes_back_as_often_as_one_likes(void **state)
{
        _cleanup_free_ char *text = NULL;

        write_file(STATIC_MANIFESTS "/etcd.yaml", "text");
        for (unsigned i = 0; i < 2; i++) {
                assert_int_equal(static_manifest_withdraw(directory, "etcd"), 0);
                assert_false(static_manifest_is_active(directory, "etcd"));
        }
        assert_int_equal(static_manifest_read(directory, "etcd", &text), 0);
        assert_string_equal(text, "text");
        for (unsigned i = 0; i < 2; i++) {
                assert_int_equal(static_manifest_return(directory, "etcd"), 0);
                assert_true(static_manifest_is_active(directory, "etcd"));
        }
        assert_int_equal(static_manifest_withdraw(directory, "kube-apiserver"), 0);
}

#define TASK "/run/containerd/io.containerd.runtime.v2.task/k8s.io/"
#define ANNOTATIONS(type, container)                                                                       \
        "{ \"annotations\": { \"io.kubernetes.cri.sandbox-namespace\": \"kube-system\", "                  \
        "\"io.kubernetes.cri.sandbox-name\": \"etcd-cp-0\", \"io.kubernetes.cri.container-type\": \"" type \
        "\"" container " } }"

static void etcds_container_is_told_from_its_sandbox_and_from_other_pods(void **state)
{
        _cleanup_free_ char *rootfs = NULL;

        assert_false(container_pod_runs(directory, "etcd"));
        write_file(TASK "a/config.json",
                   "{ \"annotations\": { \"io.kubernetes.cri.sandbox-name\": \"etcdx-1\" } }");
        write_file(TASK "b/config.json", "not JSON");
        assert_false(container_pod_runs(directory, "etcd"));
        write_file(TASK "c/config.json", ANNOTATIONS("sandbox", ""));
        assert_true(container_pod_runs(directory, "etcd"));
        assert_int_equal(container_rootfs(directory, "etcd", &rootfs), -ENOENT);
        write_file(TASK "d/config.json",
                   ANNOTATIONS("container", ", \"io.kubernetes.cri.container-name\": \"etcd\""));
        assert_int_equal(container_rootfs(directory, "etcd", &rootfs), 0);
        assert_non_null(strstr(rootfs, "/d/rootfs"));
}

static void programs_are_kept_out_of_the_container_and_found_by_its_version(void **state)
{
        _cleanup_etcd_tool_ tool = {};
        _cleanup_failure_ failure = {};

        write_file(TASK "d/config.json",
                   ANNOTATIONS("container", ", \"io.kubernetes.cri.container-name\": \"etcd\""));
        write_file(TASK "d/rootfs/usr/local/bin/etcdutl",
                   "#!/bin/sh\n[ $1 = version ] && echo 'etcdutl version: 3.9.1' || echo '--bump-revision "
                   "--mark-compacted'\n");
        write_file("/state/tools/3.8.0-0/etcdutl", "old");
        assert_int_equal(etcd_tools_keep(directory, "state", "3.9.1-0"), 1);
        assert_int_equal(etcd_tools_keep(directory, "state", "3.9.1-0"), 1);
        assert_int_not_equal(access("state/tools/3.8.0-0", F_OK), 0);

        assert_int_equal(etcd_tool_find_restorer("state", "3.9.1-0", &tool, &failure), 0);
        assert_string_equal(tool.path, "state/tools/3.9.1-0/etcdutl");
        assert_string_equal(tool.version, "3.9.1");
        assert_true(tool.bumps);
        etcd_tool_clear(&tool);
        assert_int_equal(etcd_tool_find_restorer("state", "3.10.0-0", &tool, &failure), -ENOENT);
        assert_string_equal(failure.reason, "RestoreToolMissing");
}

static void versions_compare_by_major_and_minor(void **state)
{
        assert_int_equal(etcd_version_ahead("3.4.23", "3.5.16-0"), 1);
        assert_int_equal(etcd_version_ahead("3.5.16", "v3.4.1"), -1);
        assert_int_equal(etcd_version_ahead("3.5.16", "4.0"), INT_MAX);
        assert_int_equal(etcd_version_ahead("unknown", "3.5.0"), INT_MAX);
        assert_true(etcd_version_same("3.5.16-0", "3.5.9"));
}

static void add_mark(uint64_t seconds, uint64_t cluster, int64_t revision)
{
        assert_int_equal(revision_journal_add(directory,
                                              &(struct revision_mark){ .realtime_usec =
                                                                               seconds * USEC_PER_SEC,
                                                                       .cluster_id = cluster,
                                                                       .revision = revision }),
                         0);
}

static void a_restore_goes_beyond_all_that_may_have_been_written(void **state)
{
        int64_t highest, bump;

        /* Nothing on record: etcd's own advice. */
        assert_int_equal(revision_journal_floor(directory, 7, 100, 0, 1000 * USEC_PER_SEC, &highest, &bump),
                         0);
        assert_int_equal(highest, 100);
        assert_int_equal(bump, 1000000000);

        add_mark(1000, 7, 1000);
        add_mark(1500, 9, 99999999);
        add_mark(2000, 7, 101000); /* 100 a second */
        assert_int_equal(revision_journal_floor(directory, 7, 500, 0, 2001 * USEC_PER_SEC, &highest, &bump),
                         0);
        assert_int_equal(highest, 101000);
        assert_int_equal(bump, 101000 - 500 + 1000000);
        assert_int_equal(revision_journal_floor(directory, 7, 500, 150000, 102000 * USEC_PER_SEC, &highest,
                                                &bump),
                         0);
        assert_int_equal(highest, 150000);
        assert_int_equal(bump, 150000 - 500 + 100000 * 100 * 10);
        /* A clock that went back says nothing about the time since. */
        assert_int_equal(revision_journal_floor(directory, 7, 500, 0, 10 * USEC_PER_SEC, &highest, &bump), 0);
        assert_int_equal(bump, 101000 - 500 + 1000000000);
}

static void the_revisions_on_record_stay_few(void **state)
{
        int64_t highest, bump;
        struct stat st;

        for (unsigned i = 1; i <= 600; i++)
                add_mark(i, 7, i);
        assert_int_equal(stat("revisions", &st), 0);
        assert_true(st.st_size < 64 * 1024);
        assert_int_equal(revision_journal_floor(directory, 7, 1, 0, USEC_PER_HOUR, &highest, &bump), 0);
        assert_int_equal(highest, 600);
}

static void a_line_that_is_no_mark_is_left_out_and_the_others_count(void **state)
{
        static const char text[] = "1000000 7 40 9\n"
                                   "1000000 7 99\n"
                                   "1000000 7 -99 9\n"
                                   "1000000 7 0x99 9\n"
                                   " 1000000 7 99 9\n"
                                   "1000000 7 99 9 9\n"
                                   "1000000 7 9999999999999999999 9\n"
                                   "99999999999999999999 7 99 9\n"
                                   "2000000 00000000000000a7 98 9\n"
                                   "half a li";
        int64_t highest, bump;

        assert_int_equal(file_write("revisions", text, strlen(text), 0600), 0);
        assert_int_equal(revision_journal_floor(directory, 7, 1, 0, USEC_PER_HOUR, &highest, &bump), 0);
        assert_int_equal(highest, 40);
        assert_int_equal(revision_journal_floor(directory, 0xa7, 1, 0, USEC_PER_HOUR, &highest, &bump), 0);
        assert_int_equal(highest, 98);
}

static void kubeadm_upgrade_is_seen_while_it_is_recent(void **state)
{
        _cleanup_failure_ failure = {};
        const struct timespec long_ago[2] = {};

        assert_int_equal(kubeadm_upgrade_check(directory, &failure), 0);
        write_file("/etc/kubernetes/tmp/kubeadm-upgraded-manifests1/etcd.yaml", "");
        write_file("/etc/kubernetes/tmp/kubeadm-backup-etcd-1/x", "");
        assert_int_equal(kubeadm_upgrade_check(directory, &failure), -EBUSY);
        assert_int_equal(utimensat(AT_FDCWD, "etc/kubernetes/tmp/kubeadm-upgraded-manifests1", long_ago, 0),
                         0);
        assert_int_equal(kubeadm_upgrade_check(directory, &failure), 0);
}

static void a_journal_reads_as_it_was_written_and_nothing_else_does(void **state)
{
        _cleanup_restore_journal_ journal = {}, read = {};
        _cleanup_failure_ failure = {};

        journal = (struct restore_journal){ .id = strdup("i"),
                                            .source = strdup("s"),
                                            .argument = strdup("a"),
                                            .data_dir = strdup("d"),
                                            .member = strdup("m"),
                                            .peer_url = strdup("p"),
                                            .token = strdup("t"),
                                            .tag = strdup("3.5.0"),
                                            .prefix = strdup("/registry"),
                                            .completed = 3,
                                            .cluster_id = UINT64_MAX,
                                            .bump = 5 };
        assert_int_equal(restore_journal_load(directory, &read, &failure), -ENOENT);
        assert_int_equal(directory_make("restore", 0700), 0);
        assert_int_equal(restore_journal_save(directory, &journal), 0);
        assert_int_equal(restore_journal_load(directory, &read, &failure), 0);
        assert_int_equal(read.completed, 3);
        assert_true(read.cluster_id == UINT64_MAX);
        assert_string_equal(read.tag, "3.5.0");
        assert_null(read.target);
        write_file("/restore/journal.json", "{}");
        assert_int_equal(restore_journal_load(directory, &read, &failure), -EINVAL);
        assert_string_equal(failure.reason, "RestoreJournalUnreadable");
}

#define RESTORE_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                RESTORE_TEST(arguments_are_found_however_yaml_writes_them),
                RESTORE_TEST(the_tag_of_an_image_is_neither_a_port_nor_a_digest),
                RESTORE_TEST(a_manifest_goes_aside_and_comes_back_as_often_as_one_likes),
                RESTORE_TEST(etcds_container_is_told_from_its_sandbox_and_from_other_pods),
                RESTORE_TEST(programs_are_kept_out_of_the_container_and_found_by_its_version),
                RESTORE_TEST(versions_compare_by_major_and_minor),
                RESTORE_TEST(a_restore_goes_beyond_all_that_may_have_been_written),
                RESTORE_TEST(the_revisions_on_record_stay_few),
                RESTORE_TEST(a_line_that_is_no_mark_is_left_out_and_the_others_count),
                RESTORE_TEST(kubeadm_upgrade_is_seen_while_it_is_recent),
                RESTORE_TEST(a_journal_reads_as_it_was_written_and_nothing_else_does),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
