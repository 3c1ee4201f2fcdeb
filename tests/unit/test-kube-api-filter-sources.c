/* SPDX-License-Identifier: Apache-2.0 */

/* What a list is made of: the configuration's networks, files of networks, and kubeadm's files. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "files.h"
#include "sources.h"

static char root[] = "/tmp/test-sources-XXXXXX";

static int make_root(void **state)
{
        char *directory;

        strcpy(root, "/tmp/test-sources-XXXXXX");
        assert_non_null(mkdtemp(root));
        assert_true(asprintf(&directory, "%s/etc/kubernetes/manifests", root) > 0);
        assert_int_equal(directory_make(directory, 0755), 0);
        free(directory);
        return 0;
}

static int remove_root(void **state)
{
        char command[64];

        (void)snprintf(command, sizeof(command), "rm -r %s", root);
        return system(command);
}

static void write_file(const char *name, const char *bytes, size_t size)
{
        _cleanup_free_ char *path = NULL;

        assert_true(asprintf(&path, "%s/%s", root, name) > 0);
        assert_int_equal(file_write(path, bytes, size, 0644), 0);
}

static int collect(const char *config_text, struct filter_list **ret, struct failure *failure)
{
        void *config = NULL;
        int r;

        r = config_parse(&filter_config_type, "test.json", config_text, strlen(config_text), &config,
                         failure);
        if (r >= 0)
                r = sources_collect(root, config, &(struct names){}, ret, failure);
        config_free(&filter_config_type, config);
        return r;
}

#define FILE_ONLY                                                                                          \
        "{ \"allowFiles\": [\"/list\"], \"nodes\": [], \"pods\": [], \"services\": [], \"loadBalancer\": " \
        "[] }"

static void files_have_a_network_a_line_and_comments(void **state)
{
        static const char text[] =
                "# offices\n203.0.113.0/24  # Munich\r\n\n  2001:db8::/32\t\n203.0.112.0/24\n"
                "198.51.100.7";
        _cleanup_(filter_list_unrefp) struct filter_list *list = NULL;

        write_file("list", text, strlen(text));
        assert_int_equal(collect(FILE_ONLY, &list, NULL), 0);
        /* Two that touch are one range. */
        assert_int_equal(list->sets[CLASS_ALLOW][IP_V4].count, 2);
        assert_int_equal(list->sets[CLASS_ALLOW][IP_V6].count, 1);
}

static void hostile_lines_are_refused_with_their_number(void **state)
{
        static const struct {
                const char *bytes;
                size_t size;
        } lines[] = {
#define LINE(text) { text, sizeof(text) - 1 }
                LINE("203.0.113.0/24;10.0.0.0/8"),
                LINE("203.0.113.0/24 10.0.0.0/8"),
                LINE("0.0.0.0/0\0"),
                LINE("203.0.113.7\0.evil.example"),
                LINE("203.0.113.0/33"),
                LINE("203.0.113.1/24"),
                LINE("::ffff:203.0.113.7"),
                LINE("0203.0.113.7"),
                LINE("203.0.113.7-203.0.113.9"),
                LINE("fe80::1%eth0"),
                LINE("\xEF\xBB\xBF"
                     "203.0.113.7"),
                LINE("203.0.113.7\xC2\xA0"),
                LINE("２０３.0.113.7"),
                LINE("} ; flush ruleset"),
                LINE("%s%n%n"),
                LINE("{{ network }}"),
                LINE("any"),
                LINE("-1"),
#undef LINE
        };

        for (size_t i = 0; i < ELEMENTS(lines); i++) {
                _cleanup_(filter_list_unrefp) struct filter_list *list = NULL;
                _cleanup_failure_ failure = {};
                char text[256] = "198.51.100.7\n";
                size_t size = strlen(text);

                memcpy(text + size, lines[i].bytes, lines[i].size);
                size += lines[i].size;
                text[size++] = '\n';
                write_file("list", text, size);
                if (collect(FILE_ONLY, &list, &failure) != -EINVAL)
                        fail_msg("line %zu was taken: %s", i, lines[i].bytes);
                assert_string_equal(failure.reason, "AllowFileRefused");
                assert_non_null(strstr(failure.message, "list:2: "));
                /* Nothing of it can break a line of the journal. */
                assert_null(strchr(failure.message, '\n'));
        }
}

static void an_endless_line_and_what_is_no_file_are_refused(void **state)
{
        const size_t size = 17 * 1024 * 1024;
        _cleanup_free_ char *endless = malloc(size), *path = NULL;
        _cleanup_(filter_list_unrefp) struct filter_list *list = NULL;

        assert_non_null(endless);
        memset(endless, '1', size);
        write_file("list", endless, size);
        assert_int_equal(collect(FILE_ONLY, &list, NULL), -EFBIG);
        write_file("list", endless, 1024 * 1024);
        assert_int_equal(collect(FILE_ONLY, &list, NULL), -EINVAL);
        assert_true(asprintf(&path, "%s/list", root) > 0);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(collect(FILE_ONLY, &list, NULL), -ENOENT);
        assert_int_equal(mkfifo(path, 0644), 0);
        assert_int_equal(collect(FILE_ONLY, &list, NULL), -EINVAL);
}

static void hostile_networks_in_the_configuration_are_refused_by_their_place(void **state)
{
        static const char *const configs[] = {
                "{ \"allow\": [\"203.0.113.7\", \"203.0.113.1/24\"] }",
                "{ \"allow\": [\"203.0.113.7\", \"auto\"] }",
                "{ \"nodes\": [\"auto\", \"10.0.0.0/8 \"] }",
                "{ \"pods\": [\"auto\", \"\"] }",
                "{ \"services\": [\"auto\", \"AUTO\"] }",
                "{ \"loadBalancer\": [\"auto\", \"lb.example.org\"] }",
                "{ \"management\": [\"capi.example.org\", \"-capi.example.org\"] }",
                "{ \"management\": [\"capi.example.org\", \"a..b\"] }",
                "{ \"management\": [\"capi.example.org\", \"203.0.113.300\"] }",
        };

        for (size_t i = 0; i < ELEMENTS(configs); i++) {
                _cleanup_(filter_list_unrefp) struct filter_list *list = NULL;
                _cleanup_failure_ failure = {};

                if (collect(configs[i], &list, &failure) >= 0)
                        fail_msg("taken: %s", configs[i]);
                if (!strstr(failure.message, "/1:"))
                        fail_msg("%s: %s", configs[i], failure.message);
        }
}

#define CONTROLLERS                                                           \
        "spec:\n  containers:\n  - command:\n    - kube-controller-manager\n" \
        "    - --cluster-cidr=10.244.0.0/16,2001:db8:f4::/56\n    image: x\n"
#define API_SERVER                                                   \
        "spec:\n  containers:\n  - command:\n    - kube-apiserver\n" \
        "    - --service-cluster-ip-range=10.96.0.0/12\n    image: x\n"

static void auto_is_what_kubeadms_files_say_and_is_told_apart(void **state)
{
        static const char config[] =
                "{ \"nodes\": [], \"loadBalancer\": [], \"pods\": [\"auto\", \"10.245.0.0/16\"] }";
        _cleanup_(filter_list_unrefp) struct filter_list *list = NULL, *automatic = NULL;
        void *parsed = NULL;

        write_file("etc/kubernetes/manifests/kube-controller-manager.yaml", CONTROLLERS, strlen(CONTROLLERS));
        write_file("etc/kubernetes/manifests/kube-apiserver.yaml", API_SERVER, strlen(API_SERVER));
        assert_int_equal(collect(config, &list, NULL), 0);
        assert_int_equal(config_parse(&filter_config_type, "test.json", config, strlen(config), &parsed,
                                      NULL),
                         0);
        assert_int_equal(sources_automatic(root, parsed, &automatic, NULL), 0);
        config_free(&filter_config_type, parsed);
        /* 10.244.0.0/16 and 10.245.0.0/16 touch: one range, of which the node found half. */
        assert_int_equal(list->sets[CLASS_PODS][IP_V4].count, 1);
        assert_int_equal(list->sets[CLASS_PODS][IP_V6].count, 1);
        assert_int_equal(list->sets[CLASS_SERVICES][IP_V4].count, 1);
        assert_int_equal(automatic->sets[CLASS_PODS][IP_V4].items[0].last, 0x0AF4FFFF);
        assert_int_equal(list->sets[CLASS_PODS][IP_V4].items[0].last, 0x0AF5FFFF);
        assert_int_equal(filter_list_count(automatic, IP_V4), 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_root, remove_root)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(files_have_a_network_a_line_and_comments),
                TEST(hostile_lines_are_refused_with_their_number),
                TEST(an_endless_line_and_what_is_no_file_are_refused),
                TEST(hostile_networks_in_the_configuration_are_refused_by_their_place),
                TEST(auto_is_what_kubeadms_files_say_and_is_told_apart),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
