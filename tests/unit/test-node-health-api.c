/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "../integration/pki.h"
#include "api.c"
#include "x509.h"

#define ROOT_TEMPLATE "/tmp/node-health-api-XXXXXX"

struct fixture {
        char root[sizeof(ROOT_TEMPLATE)];
        char *directory, *path, *certificate;
        struct node *node;
};

static int open_fixture(void **state)
{
        struct fixture *f = calloc(1, sizeof(*f));

        assert_non_null(f);
        memcpy(f->root, ROOT_TEMPLATE, sizeof(f->root));
        assert_non_null(mkdtemp(f->root));
        f->directory = path_under(f->root, "/etc/kubernetes");
        f->path = path_under(f->root, KUBELET_CONF);
        f->certificate = path_under(f->root, "/etc/kubernetes/c.pem");
        assert_int_equal(directory_make(f->directory, 0755), 0);
        f->node = calloc(1, sizeof(*f->node));
        assert_non_null(f->node);
        node_init(f->node, NULL, f->root);
        *state = f;
        return 0;
}

static int close_fixture(void **state)
{
        struct fixture *f = *state;
        _cleanup_free_ char *etc = path_under(f->root, "/etc");

        node_done(f->node);
        (void)unlink(f->path);
        (void)unlink(f->certificate);
        assert_int_equal(rmdir(f->directory), 0);
        assert_int_equal(rmdir(etc), 0);
        assert_int_equal(rmdir(f->root), 0);
        free(f->directory);
        free(f->path);
        free(f->certificate);
        free(f->node);
        free(f);
        return 0;
}

static void put(const struct fixture *f, const char *server)
{
        _cleanup_free_ char *text = NULL;

        assert_true(asprintf(&text,
                             "current-context: c\n"
                             "contexts: [{ name: c, context: { cluster: k, user: u } }]\n"
                             "clusters: [{ name: k, cluster: { server: 'https://%s:6443' } }]\n"
                             "users: [{ name: u, user: { client-certificate: c.pem, client-key: k.pem } }]\n",
                             server) > 0);
        assert_int_equal(file_write(f->path, text, strlen(text), 0600), 0);
}

static void the_kubeconfig_is_parsed_when_it_has_changed_and_only_then(void **state)
{
        struct fixture *f = *state;
        const struct kubeconfig *first, *again;
        const char *server;

        put(f, "one.example.org");
        assert_int_equal(api_credential(f->node, &first, NULL), 0);
        assert_string_equal(first->server, "https://one.example.org:6443");
        server = first->server;
        assert_int_equal(api_credential(f->node, &again, NULL), 0);
        assert_ptr_equal(again->server, server);
        put(f, "two.example.org"); /* as long as the one before */
        assert_int_equal(api_credential(f->node, &again, NULL), 0);
        assert_string_equal(again->server, "https://two.example.org:6443");
}

static void what_is_gone_or_broken_is_not_used_any_longer(void **state)
{
        struct fixture *f = *state;
        _cleanup_failure_ failure = {};
        const struct kubeconfig *kubeconfig;

        assert_int_equal(api_credential(f->node, &kubeconfig, &failure), -ENOENT);
        put(f, "one.example.org");
        assert_int_equal(api_credential(f->node, &kubeconfig, &failure), 0);
        put(f, "'");
        assert_int_equal(api_credential(f->node, &kubeconfig, &failure), -EINVAL);
        assert_string_equal(failure.reason, "KubeconfigRefused");
        assert_int_equal(unlink(f->path), 0);
        assert_int_equal(api_credential(f->node, &kubeconfig, NULL), -ENOENT);
        put(f, "one.example.org");
        assert_int_equal(api_credential(f->node, &kubeconfig, NULL), 0);
}

static void put_certificate(const struct fixture *f, const char *common_name)
{
        struct identity identity = identity_make(NULL, common_name, "system:nodes", false, 10);
        _cleanup_free_ char *text = NULL;

        assert_int_equal(certificate_pem(identity.certificate, &text), 0);
        assert_int_equal(file_write(f->certificate, text, strlen(text), 0600), 0);
        identity_clear(&identity);
}

static void assert_name(const struct fixture *f, const struct kubeconfig *kubeconfig, const char *expected)
{
        const char *name = NULL;

        assert_int_equal(node_name(f->node, kubeconfig, &name, NULL), 0);
        assert_string_equal(name, expected);
}

static void the_nodes_name_is_read_when_its_certificate_has_changed_and_only_then(void **state)
{
        struct fixture *f = *state;
        const struct kubeconfig *kubeconfig;
        _cleanup_failure_ failure = {};
        const char *name;

        put(f, "one.example.org");
        assert_int_equal(api_credential(f->node, &kubeconfig, NULL), 0);
        put_certificate(f, "system:node:cp-0");
        assert_name(f, kubeconfig, "cp-0");
        f->node->credential_name[0] = 'x'; /* what is kept shows by it */
        assert_name(f, kubeconfig, "xp-0");
        put_certificate(f, "system:node:cp-1");
        assert_name(f, kubeconfig, "cp-1");
        put_certificate(f, "somebody-else");
        assert_int_equal(node_name(f->node, kubeconfig, &name, &failure), -EINVAL);
        assert_string_equal(failure.reason, "NotANodeCredential");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(the_kubeconfig_is_parsed_when_it_has_changed_and_only_then,
                                                open_fixture, close_fixture),
                cmocka_unit_test_setup_teardown(
                        the_nodes_name_is_read_when_its_certificate_has_changed_and_only_then, open_fixture,
                        close_fixture),
                cmocka_unit_test_setup_teardown(what_is_gone_or_broken_is_not_used_any_longer, open_fixture,
                                                close_fixture),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
