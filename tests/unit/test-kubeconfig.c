/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "files.h"
#include "kubeconfig.h"

/* As kubeadm writes kubelet.conf after the join; cluster and user have more lines put in. */
#define KUBECONFIG(server, cluster, user)                                                                    \
        "apiVersion: v1\nclusters:\n- cluster:\n    server: " server "\n" cluster                            \
        "  name: default-cluster\n"                                                                          \
        "contexts:\n- context:\n    cluster: default-cluster\n    namespace: default\n    user: "            \
        "default-auth\n"                                                                                     \
        "  name: default-context\ncurrent-context: default-context\nkind: Config\npreferences: {}\nusers:\n" \
        "- name: default-auth\n  user:\n" user
#define FILES                                                                       \
        "    client-certificate: /var/lib/kubelet/pki/kubelet-client-current.pem\n" \
        "    client-key: pki/key.pem\n"
#define SERVER "https://10.0.0.1:6443"

static void assert_refused(const char *text, const char *part)
{
        _cleanup_kubeconfig_ kubeconfig = {};
        _cleanup_failure_ failure = {};

        assert_int_equal(kubeconfig_parse("kubelet.conf", text, strlen(text), &kubeconfig, &failure),
                         -EINVAL);
        assert_string_equal(failure.reason, "KubeconfigRefused");
        if (!strstr(failure.message, part))
                fail_msg("\"%s\" is not in \"%s\"", part, failure.message);
}

static void kubeadms_kubelet_conf_is_read(void **state)
{
        static const char text[] = KUBECONFIG(SERVER "/", "    certificate-authority-data: QUJD\n", FILES);
        _cleanup_kubeconfig_ kubeconfig = {};

        assert_int_equal(kubeconfig_parse("f", text, strlen(text), &kubeconfig, NULL), 0);
        assert_string_equal(kubeconfig.server, SERVER);
        assert_string_equal(kubeconfig.ca.pem, "ABC");
        assert_null(kubeconfig.ca.path);
        assert_string_equal(kubeconfig.certificate.path, "/var/lib/kubelet/pki/kubelet-client-current.pem");
        assert_null(kubeconfig.proxy);
}

static void json_is_yaml_and_inline_goes_before_a_file(void **state)
{
        static const char text[] =
                "{\"current-context\":\"c\",\"contexts\":[{\"name\":\"c\",\"context\":{\"cluster\":\"k\","
                "\"user\":\"u\"}}],"
                "\"clusters\":[{\"name\":\"k\",\"cluster\":{\"server\":\"" SERVER
                "\",\"proxy-url\":\"http://p:3128\"}}],"
                "\"users\":[{\"name\":\"u\",\"user\":{\"client-certificate-data\":\"Q0VSVA==\","
                "\"client-certificate\":\"/f\",\"client-key-data\":\"S0\\nVZ\"}}]}";
        _cleanup_kubeconfig_ kubeconfig = {};

        assert_int_equal(kubeconfig_parse("f", text, strlen(text), &kubeconfig, NULL), 0);
        assert_string_equal(kubeconfig.certificate.pem, "CERT");
        assert_string_equal(kubeconfig.key.pem, "KEY");
        assert_string_equal(kubeconfig.proxy, "http://p:3128");
}

static void what_would_weaken_or_change_the_connection_is_refused_by_name(void **state)
{
        assert_refused(KUBECONFIG(SERVER, "    insecure-skip-tls-verify: true\n", FILES),
                       "insecure-skip-tls-verify");
        assert_refused(KUBECONFIG(SERVER, "    tls-server-name: x\n", FILES), "tls-server-name");
        assert_refused(KUBECONFIG(SERVER, "", FILES "    token: geheim\n"), "token is not supported");
        assert_refused(KUBECONFIG(SERVER, "", FILES "    exec: {}\n"), "exec is not supported");
        assert_refused(KUBECONFIG("http://10.0.0.1", "", FILES), "https://");
        assert_refused(KUBECONFIG("https://u:p@10.0.0.1", "", FILES), "https://");
        assert_refused(KUBECONFIG(SERVER, "", "    client-key: /k\n"), "no client certificate");
}

static void what_is_broken_is_refused_in_one_line_without_a_secret(void **state)
{
        static const char secret[] =
                KUBECONFIG(SERVER, "", "    client-certificate: /c\n    client-key-data: geheim!\n");
        _cleanup_kubeconfig_ kubeconfig = {};
        _cleanup_failure_ failure = {};

        assert_refused("", "current-context");
        assert_refused("a: [", "line ");
        assert_refused("current-context: x", "no context");
        assert_refused("- 1", "no context");
        assert_refused("current-context: {}", "not a text");
        assert_refused(KUBECONFIG("[1]", "", FILES), "server is not a text");
        assert_refused(KUBECONFIG(SERVER, "    certificate-authority-data: AAAA\n", FILES),
                       "not PEM"); /* NULs */
        assert_refused(KUBECONFIG(SERVER, "    certificate-authority-data: QUJ\n", FILES), "not PEM");
        assert_int_equal(kubeconfig_parse("f", secret, strlen(secret), &kubeconfig, &failure), -EINVAL);
        assert_null(strstr(failure.message, "geheim"));
}

static void one_that_is_too_large_is_refused(void **state)
{
        _cleanup_free_ char *text = malloc(KUBECONFIG_MAX + 2);

        memset(text, ' ', KUBECONFIG_MAX + 1);
        text[KUBECONFIG_MAX + 1] = '\0';
        assert_refused(text, "larger than");
}

static void paths_are_below_the_root_or_beside_the_file(void **state)
{
        char root[] = "/tmp/kubeconfig-XXXXXX";
        static const char text[] = KUBECONFIG(SERVER, "", FILES);
        _cleanup_free_ char *path = NULL, *certificate = NULL, *key = NULL;
        _cleanup_kubeconfig_ kubeconfig = {}, none = {};
        _cleanup_failure_ failure = {};

        assert_non_null(mkdtemp(root));
        assert_true(asprintf(&path, "%s/kubelet.conf", root) > 0);
        assert_true(asprintf(&certificate, "%s/var/lib/kubelet/pki/kubelet-client-current.pem", root) > 0);
        assert_true(asprintf(&key, "%s/pki/key.pem", root) > 0);
        assert_int_equal(kubeconfig_load(root, "/kubelet.conf", &none, &failure), -ENOENT);
        assert_null(failure.message);
        assert_int_equal(file_write(path, text, strlen(text), 0600), 0);
        assert_int_equal(kubeconfig_load(root, "/kubelet.conf", &kubeconfig, NULL), 0);
        assert_string_equal(kubeconfig.certificate.path, certificate);
        assert_string_equal(kubeconfig.key.path, key);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(rmdir(root), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(kubeadms_kubelet_conf_is_read),
                cmocka_unit_test(json_is_yaml_and_inline_goes_before_a_file),
                cmocka_unit_test(what_would_weaken_or_change_the_connection_is_refused_by_name),
                cmocka_unit_test(what_is_broken_is_refused_in_one_line_without_a_secret),
                cmocka_unit_test(one_that_is_too_large_is_refused),
                cmocka_unit_test(paths_are_below_the_root_or_beside_the_file),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
