/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after the standard headers that it needs */
#include <cmocka.h>

#include <string.h>
#include <sys/stat.h>

#include "configuration.h"
#include "credentials.h"
#include "direct.h"
#include "drop-in.h"
#include "files.h"
#include "probe.h"
#include "settings.h"
#include "verdict.h"

static char root[] = "/tmp/test-proxy-XXXXXX";

static int make_root(void **state)
{
        return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
        _cleanup_free_ char *command = NULL;

        return asprintf(&command, "rm -r %s", root) > 0 && system(command) == 0 ? 0 : -1;
}

static void put(const char *name, const char *text)
{
        _cleanup_free_ char *path = path_under(root, name), *directory = strdup(path);

        *strrchr(directory, '/') = '\0';
        assert_int_equal(directory_make(directory, 0755), 0);
        assert_int_equal(file_write(path, text, strlen(text), 0644), 0);
}

static void drop(const char *name)
{
        _cleanup_free_ char *path = path_under(root, name);

        assert_int_equal(unlink(path), 0);
}

static int parse(const char *text, struct failure *failure)
{
        void *config = NULL;
        int r = config_parse(&proxy_config_type, "proxy.json", text, strlen(text), &config, failure);

        config_free(&proxy_config_type, config);
        return r;
}

static void a_configuration_needs_a_proxy_and_holds_no_secret(void **state)
{
        static const char *const good[] = {
                "{\"httpProxy\":\"http://proxy.example.org:3128\"}",
                "{\"httpsProxy\":\"https://[2001:db8::1]:3128/\"}",
                "{\"httpProxy\":\"http://"
                "p:1\",\"noProxy\":[\"*\",\".example.org\",\"*.example.org\",\"a.b:80\","
                "\"192.0.2.0/24\",\"2001:db8::/32\",\"::1\"],\"units\":[\"docker.service\",\"a@b.service\"],"
                "\"probe\":{\"target\":\"registry.k8s.io:443\",\"interval\":\"10s\"}}",
        };
        static const struct {
                const char *text, *complaint;
        } bad[] = {
                { "{}", "httpsProxy" },
                { "{\"httpProxy\":\"proxy.example.org:3128\"}", "/httpProxy" },
                { "{\"httpProxy\":\"http://user:secret@proxy.example.org:3128\"}", "credentialsFile" },
                { "{\"httpProxy\":\"http://p:1/path\"}", "/httpProxy" },
                { "{\"httpProxy\":\"http://p:1/$(reboot)\"}", "/httpProxy" },
                { "{\"httpProxy\":\"http://p:1\",\"noProxy\":[\"a b\"]}", "/noProxy/0" },
                { "{\"httpProxy\":\"http://p:1\",\"noProxy\":[\"a\\\"\"]}", "/noProxy/0" },
                { "{\"httpProxy\":\"http://p:1\",\"noProxy\":[\"10.0.0.1/8\"]}", "/noProxy/0" },
                { "{\"httpProxy\":\"http://p:1\",\"noProxy\":[\"a:99999\"]}", "/noProxy/0" },
                { "{\"httpProxy\":\"http://p:1\",\"units\":[\"../../x.service\"]}", "/units/0" },
                { "{\"httpProxy\":\"http://p:1\",\"units\":[\"containerd\"]}", "/units/0" },
                { "{\"httpProxy\":\"http://p:1\",\"units\":[\"a.service\",\"a.service\"]}", "twice" },
                { "{\"httpProxy\":\"http://p:1\",\"probe\":{\"target\":\"registry.k8s.io\"}}",
                  "/probe/target" },
        };

        for (size_t i = 0; i < ELEMENTS(good); i++)
                assert_int_equal(parse(good[i], NULL), 0);
        for (size_t i = 0; i < ELEMENTS(bad); i++) {
                _cleanup_failure_ failure = {};

                assert_int_equal(parse(bad[i].text, &failure), -EINVAL);
                assert_non_null(strstr(failure.message, bad[i].complaint));
        }
}

static void credentials_are_encoded_for_where_they_go(void **state)
{
        _cleanup_free_ char *url = NULL, *none = NULL, *header = NULL;
        char *credentials = NULL;

        assert_int_equal(credentials_parse("user:p@ss:w/\"$ö\r\n", strlen("user:p@ss:w/\"$ö\r\n"),
                                           &credentials),
                         0);
        url = credentials_in_url("http://proxy:3128", credentials);
        assert_string_equal(url, "http://user:p%40ss%3Aw%2F%22%24%C3%B6@proxy:3128");
        none = credentials_in_url("http://proxy:3128", NULL);
        assert_string_equal(none, "http://proxy:3128");
        credentials_free(credentials);
        header = credentials_header("Aladdin:open sesame"); /* RFC 7617, 2 */
        assert_string_equal(header, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");

        for (const char *const *wrong =
                     (const char *const[]){ "", "\n", "user", ":password", "a:b\nc:d", NULL };
             *wrong; wrong++)
                assert_int_equal(credentials_parse(*wrong, strlen(*wrong), &credentials), -EINVAL);
}

static void what_is_shown_has_no_credentials(void **state)
{
        static const struct {
                const char *text, *shown;
        } cases[] = {
                { "a=\"http://u:p@h:1\"\nb=\"http://u:p@h:1\"\n",
                  "a=\"http://***@h:1\"\nb=\"http://***@h:1\"\n" },
                { "http://h/x@y", "http://h/x@y" },
                { "http://h \"a@b\"", "http://h \"a@b\"" },
                { "://@", "://***@" },
                { "://", "://" },
        };

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                _cleanup_free_ char *shown = credentials_hide(cases[i].text);

                assert_string_equal(shown, cases[i].shown);
        }
}

static bool lists(const char *list, const char *entry)
{
        const size_t length = strlen(entry);

        for (const char *at = list; (at = strstr(at, entry)); at++)
                if ((at == list || at[-1] == ',') && (at[length] == ',' || at[length] == '\0'))
                        return true;
        return false;
}

static void the_node_and_its_cluster_are_reached_directly(void **state)
{
        char *own[] = { (char *)".example.org", (char *)"localhost" };
        const struct config_strings entries = { own, 2 };
        _cleanup_free_ char *before = NULL, *with = NULL;

        assert_int_equal(direct_list(root, &entries, &before), 0);
        assert_string_equal(before,
                            "localhost,127.0.0.0/8,::1,169.254.169.254,fe80::a9fe:a9fe,fd00:ec2::254,.svc,"
                            ".cluster.local,.example.org");

        put("/run/kubeadm/kubeadm-join-config.yaml",
            "discovery:\n  bootstrapToken:\n    apiServerEndpoint: \"[2001:db8::7]:6443\"\n");
        put("/etc/kubernetes/manifests/kube-controller-manager.yaml",
            "    - --cluster-cidr=10.244.0.0/16,fd00:1::/48\n");
        put("/etc/kubernetes/manifests/kube-apiserver.yaml",
            "    - --service-cluster-ip-range=10.96.0.0/12\n");
        put("/var/lib/kubelet/config.yaml", "clusterDomain: k8s.example\n");
        assert_int_equal(direct_list(root, &entries, &with), 0);
        for (const char *const *entry =
                     (const char *const[]){ "2001:db8::7", "10.244.0.0/16", "fd00:1::/48", "10.96.0.0/12",
                                            ".svc", ".k8s.example", "169.254.169.254", ".example.org", NULL };
             *entry; entry++)
                assert_true(lists(with, *entry));
        assert_false(lists(with, ".cluster.local"));

        put("/run/kubeadm/kubeadm.yaml", "controlPlaneEndpoint: api.example.org:6443\n");
        free(with);
        assert_int_equal(direct_list(root, &entries, &with), 0);
        assert_true(lists(with, "api.example.org"));
}

/* What a drop-in comes to: sets, unsets, resets, and the files. */
static void assert_drop_in(const char *text, const char *expected)
{
        _cleanup_drop_in_ drop_in = {};
        _cleanup_free_ char *copy = strdup(text);
        char found[512];
        int n;

        assert_int_equal(drop_in_parse(copy, &drop_in), 0);
        n = snprintf(found, sizeof(found), "%s%s%s", drop_in.sets ? "s" : "", drop_in.unsets ? "u" : "",
                     drop_in.resets ? "r" : "");
        for (size_t i = 0; i < drop_in.files.count; i++)
                n += snprintf(found + n, sizeof(found) - (size_t)n, " %s", drop_in.files.items[i]);
        assert_string_equal(found, expected);
}

static void drop_ins_are_read_as_systemd_reads_them(void **state)
{
        assert_drop_in("[Service]\nEnvironment=HTTP_PROXY=http://x\n", "s");
        assert_drop_in("[Service]\nEnvironment=\"A=b\" \"no_proxy=x\"\n", "s");
        assert_drop_in("[Service]\nEnvironment='https_proxy=x'\nEnvironment=\n", "");
        assert_drop_in("[Service]\nEnvironment=MY_HTTP_PROXY=x XHTTP_PROXY=y HTTP_PROXYX=z\n", "");
        assert_drop_in("[Unit]\nEnvironment=HTTP_PROXY=x\n", "");
        assert_drop_in("# Environment=HTTP_PROXY=x\n; [Service]\nEnvironment=HTTP_PROXY=x\n", "");
        assert_drop_in("[Service]\nEnvironment = A=b \\\n# a comment between\n  HTTP_PROXY=x\n", "s");
        assert_drop_in("[Service]\r\nUnsetEnvironment=A HTTPS_PROXY\r\n", "u");
        assert_drop_in("[Service]\nUnsetEnvironment=HTTP_PROXY\nUnsetEnvironment=\n", "");
        assert_drop_in("[Service]\nEnvironmentFile=-/etc/a\nEnvironmentFile=/etc/b", " /etc/a /etc/b");
        assert_drop_in("[Service]\nEnvironmentFile=/etc/a\nEnvironmentFile=\nEnvironmentFile=/etc/c\n",
                       "r /etc/c");
        assert_drop_in("[Service]\nEnvironmentFile=/etc/a\\", " /etc/a");
        assert_drop_in("", "");
}

static void assert_look(const char *shadowing, const char *overridden)
{
        _cleanup_strings_ one = {}, other = {};

        assert_int_equal(drop_ins_look(root, "x.service", &one, &other), 0);
        assert_int_equal(one.count, shadowing ? 1 : 0);
        assert_int_equal(other.count, overridden ? 1 : 0);
        if (shadowing)
                assert_non_null(strstr(one.items[0], shadowing));
        if (overridden)
                assert_non_null(strstr(other.items[0], overridden));
}

static void drop_ins_that_make_ours_worth_nothing_are_found(void **state)
{
        put("/etc/systemd/system/x.service.d/" DROP_IN_NAME, drop_in_text);
        put("/usr/lib/systemd/system/x.service.d/10-other.conf", "[Service]\nLimitNOFILE=1\n");
        assert_look(NULL, NULL);

        put("/etc/systemd/system/x.service.d/http-proxy.conf",
            "[Service]\nEnvironment=HTTP_PROXY=http://x\n");
        assert_look(NULL, "http-proxy.conf");
        put("/etc/default/x", "A=b\nHTTPS_PROXY=http://y\n");
        put("/etc/systemd/system/x.service.d/http-proxy.conf",
            "[Service]\nEnvironmentFile=-/etc/default/x\n");
        assert_look("http-proxy.conf", NULL);
        put("/etc/default/x", "A=b\n");
        assert_look(NULL, NULL);
        put("/etc/default/x", "HTTPS_PROXY=http://y\n");
        drop("/etc/systemd/system/x.service.d/http-proxy.conf");

        /* Before ours it does not count. */
        put("/run/systemd/system/x.service.d/a.conf", "[Service]\nEnvironmentFile=/etc/default/x\n");
        assert_look(NULL, NULL);
        put("/run/systemd/system/x.service.d/a.conf", "[Service]\nUnsetEnvironment=HTTP_PROXY\n");
        assert_look("/run/systemd/system/x.service.d/a.conf", NULL);
        put("/etc/systemd/system/x.service.d/a.conf", "[Service]\n"); /* hides the other */
        assert_look(NULL, NULL);

        put("/etc/systemd/system/service.d/z.conf", "[Service]\nEnvironmentFile=\n");
        assert_look("/service.d/z.conf", NULL);
        drop("/etc/systemd/system/service.d/z.conf");

        put("/etc/systemd/system.control/x.service.d/" DROP_IN_NAME, "[Service]\n");
        assert_look("system.control", NULL);
        drop("/etc/systemd/system.control/x.service.d/" DROP_IN_NAME);
}

static void the_package_s_drop_in_is_the_one_that_is_written(void **state)
{
        _cleanup_free_ char *text = NULL;
        size_t size;

        assert_int_equal(file_read(PACKAGED_DROP_IN, 4096, &text, &size), 0);
        assert_string_equal(text, drop_in_text);
}

static void only_an_http_answer_has_a_status(void **state)
{
        static const struct {
                const char *answer;
                int status;
        } cases[] = {
                { "HTTP/1.1 200 Connection established\r\n", 200 },
                { "HTTP/1.0 407 Proxy Authentication Required\r\n", 407 },
                { "HTTP/1.1 200", 200 },
                { "HTTP/1.1 200\n", 200 },
                { "HTTP/1.1 2000", -EBADMSG },
                { "HTTP/1.1 20", -EBADMSG },
                { "HTTP/1.1 2x0 ", -EBADMSG },
                { "HTTP/1.1 999 ", -EBADMSG },
                { "HTTP/2.0 200 ", -EBADMSG },
                { "SSH-2.0-OpenSSH_9.2p1", -EBADMSG },
                { "", -EBADMSG },
        };

        for (size_t i = 0; i < ELEMENTS(cases); i++)
                assert_int_equal(probe_status(cases[i].answer, strlen(cases[i].answer)), cases[i].status);
}

static void assert_probe(const char *output, const char *reason)
{
        _cleanup_failure_ failure = {};

        assert_int_equal(probe_verdict(output, "http://p:1", "t:443", &failure) < 0, reason != NULL);
        if (reason)
                assert_string_equal(failure.reason, reason);
}

static void a_probe_says_what_is_wrong(void **state)
{
        assert_probe("answered 200\n", NULL);
        assert_probe("answered 407\n", "ProxyCredentialsRefused");
        assert_probe("answered 403\n", "ProxyRefuses");
        assert_probe("cannot connect to p port 1: Connection refused\n", "ProxyUnreachable");
        assert_probe("", "ProxyUnreachable");
}

static void the_worst_is_what_the_condition_says(void **state)
{
        char *name = (char *)"containerd.service", *path = (char *)"/etc/x.conf";
        const struct config_strings none = {}, stale = { &name, 1 }, shadowing = { &path, 1 };
        struct failure broken = { (char *)"FileNotWritten", (char *)"m" },
                       probe = { (char *)"ProxyRefuses", (char *)"m" };
        struct proxy_input input = { .shadowing = &none, .stale = &none, .n_units = 2 };
        struct proxy_verdict verdict;

        proxy_judge(&input, &verdict);
        assert_int_equal(verdict.status, CONDITION_TRUE);
        assert_string_equal(verdict.reason, "InForce");

        input.stale = &stale;
        proxy_judge(&input, &verdict);
        assert_int_equal(verdict.status, CONDITION_FALSE);
        assert_string_equal(verdict.reason, "UnitsNotRestarted");
        assert_non_null(strstr(verdict.message, name));
        input.probe = &probe;
        proxy_judge(&input, &verdict);
        assert_string_equal(verdict.reason, "ProxyRefuses");
        input.shadowing = &shadowing;
        proxy_judge(&input, &verdict);
        assert_string_equal(verdict.reason, "DropInShadowed");
        assert_non_null(strstr(verdict.message, path));
        input.failure = &broken;
        proxy_judge(&input, &verdict);
        assert_string_equal(verdict.reason, "FileNotWritten");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_configuration_needs_a_proxy_and_holds_no_secret),
                cmocka_unit_test(credentials_are_encoded_for_where_they_go),
                cmocka_unit_test(what_is_shown_has_no_credentials),
                cmocka_unit_test(the_node_and_its_cluster_are_reached_directly),
                cmocka_unit_test(drop_ins_are_read_as_systemd_reads_them),
                cmocka_unit_test(drop_ins_that_make_ours_worth_nothing_are_found),
                cmocka_unit_test(the_package_s_drop_in_is_the_one_that_is_written),
                cmocka_unit_test(only_an_http_answer_has_a_status),
                cmocka_unit_test(a_probe_says_what_is_wrong),
                cmocka_unit_test(the_worst_is_what_the_condition_says),
        };

        return cmocka_run_group_tests_name("proxy", tests, make_root, remove_root);
}
