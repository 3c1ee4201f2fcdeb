/* SPDX-License-Identifier: Apache-2.0 */

/* Where containerd looks for hosts.toml, by its own configuration. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "containerd-config.h"
#include "files.h"

#define IMPORTS "imports = [\"/etc/containerd/conf.d/*.toml\"]\n"
#define CRI     "[plugins.\"io.containerd.grpc.v1.cri\"]\n"
#define DROP_IN "/etc/containerd/conf.d/" DROP_IN_NAME

static char root[] = "/tmp/test-containerd-config-XXXXXX";

static int make_root(void **state)
{
        _cleanup_free_ char *conf = NULL;

        return mkdtemp(root) && asprintf(&conf, "%s/etc/containerd/conf.d", root) > 0
                       ? directory_make(conf, 0755)
                       : -1;
}

static void put(const char *name, const char *text)
{
        _cleanup_free_ char *path = path_under(root, name);

        if (text)
                assert_int_equal(file_write(path, text, strlen(text), 0644), 0);
        else
                (void)unlink(path);
}

static int remove_root(void **state)
{
        static const char *const names[] = { "/etc/containerd/conf.d", "/etc/containerd", "/etc", "" };

        put("/etc/containerd/config.toml", NULL);
        for (size_t i = 0; i < ELEMENTS(names); i++) {
                _cleanup_free_ char *path = path_under(root, *names[i] ? names[i] : "/");

                if (rmdir(path) < 0)
                        return -1;
        }
        return 0;
}

static void load(const char *text, struct containerd_config *ret)
{
        put("/etc/containerd/config.toml", text);
        assert_int_equal(containerd_config_load(root, CONTAINERD_CONFIG, ret, NULL), 0);
}

static void each_format_has_its_own_plugin(void **state)
{
        static const struct {
                const char *text, *found;
        } cases[] = {
                { "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"/a\"\n",
                  "/a" },
                { "version = 3\n[plugins.\"io.containerd.cri.v1.images\".registry]\nconfig_path = \"/b\"\n",
                  "/b" },
                { "version = 3\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"/a\"\n",
                  NULL },
                { "version = 2\n[plugins.\"io.containerd.cri.v1.images\".registry]\nconfig_path = \"/b\"\n",
                  NULL },
                { "[plugins.cri.registry]\nconfig_path = \"/c\"\n", "/c" },
                { "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"\"\n",
                  NULL },
        };

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                _cleanup_containerd_config_ config = {};

                load(cases[i].text, &config);
                if (cases[i].found)
                        assert_string_equal(config.config_path, cases[i].found);
                else
                        assert_null(config.config_path);
        }
}

static void without_an_import_of_a_directory_nothing_can_be_added(void **state)
{
        _cleanup_containerd_config_ none = {}, one = {}, all = {};

        load("version = 2\n", &none);
        assert_null(none.drop_in);
        load("version = 2\nimports = [\"/etc/containerd/x-*.toml\"]\n", &one);
        assert_null(one.drop_in);
        load("version = 2\n" IMPORTS, &all);
        assert_string_equal(all.drop_in, DROP_IN);
}

static void a_file_imported_behind_ours_is_told(void **state)
{
        _cleanup_containerd_config_ before = {}, behind = {};

        put("/etc/containerd/conf.d/10-a.toml", CRI "x = 1\n");
        load("version = 2\n" IMPORTS, &before);
        assert_null(before.overridden_by);
        put("/etc/containerd/conf.d/zzz.toml", CRI "x = 1\n");
        load("version = 2\n" IMPORTS, &behind);
        assert_string_equal(behind.overridden_by, "/etc/containerd/conf.d/zzz.toml");
        put("/etc/containerd/conf.d/10-a.toml", NULL);
        put("/etc/containerd/conf.d/zzz.toml", NULL);
}

static void our_own_file_does_not_count(void **state)
{
        _cleanup_containerd_config_ config = {}, again = {};
        _cleanup_free_ char *text = NULL, *same = NULL;

        load("version = 2\n" IMPORTS CRI "sandbox_image = \"p\"\n", &config);
        text = containerd_config_drop_in(&config);
        put(DROP_IN, text);
        load("version = 2\n" IMPORTS CRI "sandbox_image = \"p\"\n", &again);
        assert_null(again.config_path);
        same = containerd_config_drop_in(&again);
        assert_string_equal(text, same);
        put(DROP_IN, NULL);
}

static void what_excludes_config_path_is_told(void **state)
{
        _cleanup_containerd_config_ mirrors = {}, tls = {}, credentials = {}, list = {};

        load("version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry.mirrors.\"docker.io\"]\nendpoint "
             "= []\n",
             &mirrors);
        assert_true(mirrors.mirrors);
        load("version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry.configs.\"a\".tls]\nca_file = "
             "\"/a\"\n",
             &tls);
        assert_true(tls.mirrors);
        load("version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry.configs.\"a\".auth]\nauth = "
             "\"s\"\n",
             &credentials);
        assert_false(credentials.mirrors);
        load("version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"/a:/b\"\n",
             &list);
        assert_true(containerd_config_is_list(&list));
}

static void the_credentials_that_are_repeated_are_not_shown(void **state)
{
        _cleanup_containerd_config_ config = {};
        _cleanup_free_ char *text = NULL, *shown = NULL;

        load("version = 2\n" IMPORTS
             "[plugins.\"io.containerd.grpc.v1.cri\".registry.configs.\"a\".auth]\npassword = \"s3cret\"\n",
             &config);
        text = containerd_config_drop_in(&config);
        shown = containerd_config_shown(text);
        assert_non_null(strstr(text, "s3cret"));
        assert_null(strstr(shown, "s3cret"));
        assert_non_null(strstr(shown, "\"config_path\" = \"" CERTS_DIRECTORY "\""));
}

static void a_file_that_is_missing_or_broken_is_named(void **state)
{
        _cleanup_containerd_config_ config = {};
        _cleanup_failure_ missing = {}, broken = {};

        put("/etc/containerd/config.toml", NULL);
        assert_int_equal(containerd_config_load(root, CONTAINERD_CONFIG, &config, &missing), -ENOENT);
        assert_string_equal(missing.reason, "ConfigPathMissing");
        put("/etc/containerd/config.toml", "version = \n");
        assert_int_equal(containerd_config_load(root, CONTAINERD_CONFIG, &config, &broken), -EINVAL);
        assert_non_null(strstr(broken.message, "/etc/containerd/config.toml: line 1: "));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_format_has_its_own_plugin),
                cmocka_unit_test(without_an_import_of_a_directory_nothing_can_be_added),
                cmocka_unit_test(a_file_imported_behind_ours_is_told),
                cmocka_unit_test(our_own_file_does_not_count),
                cmocka_unit_test(what_excludes_config_path_is_told),
                cmocka_unit_test(the_credentials_that_are_repeated_are_not_shown),
                cmocka_unit_test(a_file_that_is_missing_or_broken_is_named),
        };

        return cmocka_run_group_tests(tests, make_root, remove_root);
}
