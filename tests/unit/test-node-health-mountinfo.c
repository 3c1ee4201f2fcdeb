/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mountinfo.c"
#include "read-only.c"

static struct mount parse(const char *line)
{
        struct mount mount;

        assert_int_equal(mountinfo_parse_line(line, &mount), 0);
        return mount;
}

static void takes_the_super_options_not_those_of_the_mount(void **state)
{
        /* A bind mount that ProtectSystem=strict made read-only, of a file system that is not. */
        struct mount mount =
                parse("561 530 253:1 / / ro,relatime shared:1 - ext4 /dev/vda1 rw,errors=remount-ro\n");

        (void)state;
        assert_string_equal(mount.mount_point, "/");
        assert_string_equal(mount.type, "ext4");
        assert_string_equal(mount.source, "/dev/vda1");
        assert_false(mount_option(mount.super_options, "ro"));
        mount_clear(&mount);
}

static void a_root_that_the_kernel_made_read_only_fails(void **state)
{
        struct mount mount = parse("24 1 253:1 / / rw,relatime - ext4 /dev/vda1 ro,errors=remount-ro");
        struct check_result result;

        (void)state;
        judge_root(&mount, &result);
        assert_int_equal(result.status, CHECK_FAIL);
        assert_string_equal(result.reason, "RootReadOnly");
        assert_non_null(strstr(result.message, "/ (ext4 on /dev/vda1) is read-only"));
        mount_clear(&mount);
}

static void reads_any_number_of_optional_fields(void **state)
{
        static const char *const lines[] = {
                "1 0 0:1 / /a rw - tmpfs t rw",
                "1 0 0:1 / /a rw shared:5 - tmpfs t rw",
                "1 0 0:1 / /a rw shared:5 master:6 propagate_from:7 unbindable - tmpfs t rw",
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(lines); i++) {
                struct mount mount = parse(lines[i]);

                assert_string_equal(mount.type, "tmpfs");
                assert_string_equal(mount.super_options, "rw");
                mount_clear(&mount);
        }
}

static void turns_escapes_back(void **state)
{
        struct mount mount = parse("1 0 0:1 / /a\\040b\\011c\\134d rw - fuse x\\040y rw");

        (void)state;
        assert_string_equal(mount.mount_point, "/a b\tc\\d");
        assert_string_equal(mount.source, "x y");
        mount_clear(&mount);
}

static void a_file_system_without_a_source_is_no_error(void **state)
{
        struct mount mount = parse("1 0 0:1 / /a rw - tmpfs  rw,size=4k");

        (void)state;
        assert_string_equal(mount.source, "");
        assert_string_equal(mount.super_options, "rw,size=4k");
        mount_clear(&mount);
}

static void refuses_what_is_not_a_line_of_mountinfo(void **state)
{
        static const char *const lines[] = {
                "",
                "\n",
                "1 0 0:1 / /a",
                "1 0 0:1 / /a rw",
                "1 0 0:1 / /a rw shared:5 tmpfs t rw",
                "1 0 0:1 / /a rw -",
                "1 0 0:1 / /a rw - tmpfs",
                "1 0 0:1 / a rw - tmpfs t rw",
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(lines); i++) {
                struct mount mount;

                assert_int_equal(mountinfo_parse_line(lines[i], &mount), -EBADMSG);
        }
}

static struct mount find(const char *path)
{
        static const char text[] = "1 0 0:1 / / rw - rootfs rootfs rw\n"
                                   "2 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
                                   "3 2 8:2 / /var rw - ext4 /dev/sda2 rw\n"
                                   "4 3 8:3 / /var/lib/etcd rw - ext4 /dev/sda3 ro\n"
                                   "5 2 0:5 / /variable rw - tmpfs tmpfs rw\n";
        struct mount mount;

        assert_int_equal(mountinfo_find(text, path, &mount), 0);
        return mount;
}

static void finds_the_mount_that_holds_a_path(void **state)
{
        static const char *const expected[][2] = {
                { "/", "/dev/sda1" },
                { "/etc", "/dev/sda1" },
                { "/var", "/dev/sda2" },
                { "/var/lib", "/dev/sda2" },
                { "/var/lib/etcd", "/dev/sda3" },
                { "/var/lib/etcd/member", "/dev/sda3" },
                { "/variable", "tmpfs" },
                { "/variables", "/dev/sda1" },
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(expected); i++) {
                struct mount mount = find(expected[i][0]);

                assert_string_equal(mount.source, expected[i][1]);
                mount_clear(&mount);
        }
}

static void finds_options_only_as_whole_words(void **state)
{
        (void)state;
        assert_true(mount_option("ro", "ro"));
        assert_true(mount_option("x,ro", "ro"));
        assert_true(mount_option("ro,x", "ro"));
        assert_false(mount_option("rw,errors=remount-ro", "ro"));
        assert_false(mount_option("rw,root", "ro"));
        assert_false(mount_option("", "ro"));
}

static void reads_the_mounts_of_this_machine(void **state)
{
        _cleanup_free_ char *mountinfo = NULL;
        struct mount mount;

        (void)state;
        assert_int_equal(mountinfo_read(&mountinfo), 0);
        /* Not "/", which is no mount in a bare chroot; without /proc there would be nothing to read. */
        assert_int_equal(mountinfo_find(mountinfo, "/proc/self", &mount), 0);
        assert_string_equal(mount.mount_point, "/proc");
        assert_string_equal(mount.type, "proc");
        mount_clear(&mount);
}

static struct mount find_now(struct node *node, const char *path)
{
        struct mount mount = {};
        const char *mountinfo;

        node->mounts.read_usec = 0; /* as if a round had passed */
        assert_int_equal(read_mounts(node, &mountinfo), 0);
        assert_int_equal(find_mount(mountinfo, "/", path, &mount), 0);
        return mount;
}

static void assert_read_only(struct node *node, const char *path, bool expected)
{
        struct mount mount = find_now(node, path);

        assert_string_equal(mount.mount_point, path);
        assert_int_equal(is_read_only(&mount), expected);
        mount_clear(&mount);
}

/* In mounts of its own. */
static int look_at_changing_mounts(const char *path)
{
        char *const paths[] = { (char *)path };
        struct node_health_config config = { .checks.read_only_filesystem.paths = { (char **)paths, 1 } };
        struct node node = { .root = "/", .config = &config };
        size_t lines;

        if (unshare(CLONE_NEWNS) < 0)
                return 77;
        assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
        assert_int_equal(mount("first", path, "tmpfs", 0, NULL), 0);
        assert_int_equal(mount("elsewhere", "/mnt", "tmpfs", 0, NULL), 0);
        assert_read_only(&node, path, false);
        lines = node.mounts.lines;
        assert_true(lines > 0);
        assert_read_only(&node, path, false);
        assert_null(strstr(node.mounts.mountinfo, "elsewhere")); /* which is behind all that is needed */

        /* The file system, not the mount: as the kernel does, but for the notice. */
        assert_int_equal(mount(NULL, path, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
        assert_read_only(&node, path, true);
        assert_int_equal(mount("second", path, "tmpfs", 0, NULL), 0);
        assert_read_only(&node, path, false);
        assert_true(node.mounts.lines > lines);
        assert_int_equal(umount(path), 0);
        assert_read_only(&node, path, true);
        mount_list_clear(&node.mounts);
        return 0;
}

static void what_is_needed_of_the_mounts_is_read_each_time_and_all_when_they_change(void **state)
{
        char path[] = "/tmp/mounts-XXXXXX";
        pid_t child;
        int status;

        (void)state;
        assert_non_null(mkdtemp(path));
        child = fork();
        assert_true(child >= 0);
        if (child == 0)
                _exit(look_at_changing_mounts(path));
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(rmdir(path), 0);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
                skip();
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(takes_the_super_options_not_those_of_the_mount),
                cmocka_unit_test(a_root_that_the_kernel_made_read_only_fails),
                cmocka_unit_test(reads_any_number_of_optional_fields),
                cmocka_unit_test(turns_escapes_back),
                cmocka_unit_test(a_file_system_without_a_source_is_no_error),
                cmocka_unit_test(refuses_what_is_not_a_line_of_mountinfo),
                cmocka_unit_test(finds_the_mount_that_holds_a_path),
                cmocka_unit_test(finds_options_only_as_whole_words),
                cmocka_unit_test(reads_the_mounts_of_this_machine),
                cmocka_unit_test(what_is_needed_of_the_mounts_is_read_each_time_and_all_when_they_change),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
