/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <libgen.h>
#include <openssl/pem.h>

#include "../integration/pki.h"
#include "certificates.c"

#define SERVER  PKI "apiserver.crt"
#define MANAGER "/etc/kubernetes/controller-manager.conf"
#define CLIENT  "/etc/elsewhere/client.crt"

static const struct node_health_config config = {
        .checks.certificates = { .warn_usec = 7 * USEC_PER_DAY, .fail_usec = USEC_PER_DAY },
};
static char root[] = "/tmp/certificates-XXXXXX";
static struct node node = { .root = root, .config = &config };
static struct identity authority;

static int open_root(void **state)
{
        (void)state;
        authority = identity_make(NULL, "authority", "test", true, 100);
        return mkdtemp(root) ? 0 : -1;
}

static int close_root(void **state)
{
        char command[64];

        (void)state;
        identity_clear(&authority);
        certificate_files_clear(&node.certificates);
        (void)snprintf(command, sizeof(command), "rm -rf %s", root);
        return system(command);
}

static void put(const char *path, const char *text)
{
        _cleanup_free_ char *full = path_under(root, path), *copy = strdup(full);

        assert_int_equal(directory_make(dirname(copy), 0755), 0);
        assert_int_equal(file_write(full, text, strlen(text), 0644), 0);
}

static char *pem_of(X509 *certificate)
{
        char *text = NULL;
        size_t size;
        FILE *stream = open_memstream(&text, &size);

        assert_int_equal(PEM_write_X509(stream, certificate), 1);
        assert_int_equal(fclose(stream), 0);
        return text;
}

static void put_certificate(const char *path, int days)
{
        struct identity identity = identity_make(&authority, "test", "test", false, days);
        _cleanup_free_ char *text = pem_of(identity.certificate);

        put(path, text);
        identity_clear(&identity);
}

static void put_kubeconfig(const char *client)
{
        _cleanup_free_ char *pem = pem_of(authority.certificate), *encoded = malloc(strlen(pem) * 2 + 4);
        _cleanup_free_ char *text = NULL;

        (void)EVP_EncodeBlock((unsigned char *)encoded, (unsigned char *)pem, (int)strlen(pem));
        assert_true(asprintf(&text,
                             "current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u}}]\n"
                             "clusters: [{name: k, cluster: {server: \"https://127.0.0.1:1\", "
                             "certificate-authority-data: %s}}]\n"
                             "users: [{name: u, user: {client-certificate: %s, client-key: /x.key}}]\n",
                             encoded, client) > 0);
        put(MANAGER, text);
}

static struct judgement look_again(void)
{
        struct judgement judgement;

        assert_int_equal(look(&node, &judgement), 0);
        return judgement;
}

static struct certificate_file *found(const char *path)
{
        return (struct certificate_file *)find(&node.certificates, path);
}

static void a_file_is_parsed_when_it_has_changed_and_judged_at_each_look(void **state)
{
        (void)state;
        put_certificate(SERVER, 30);
        assert_int_equal(look_again().status, CHECK_OK);
        assert_int_equal(node.certificates.count, 1);

        /* As time passes for the same certificate. */
        found(SERVER)->not_after_usec = now_realtime_usec() - USEC_PER_SEC;
        assert_string_equal(look_again().reason, "CertificateExpired");
        assert_string_equal(look_again().reason, "CertificateExpired");

        put_certificate(SERVER, 3);
        assert_string_equal(look_again().reason, "CertificateExpiresSoon");
        put_certificate(SERVER, 30);
        assert_int_equal(look_again().status, CHECK_OK);
        put(SERVER, "gone wrong");
        assert_string_equal(look_again().reason, "CertificateUnreadable");
        assert_string_equal(look_again().reason, "CertificateUnreadable");
        assert_null(found(SERVER));
        put_certificate(SERVER, 30);
        assert_int_equal(look_again().status, CHECK_OK);
        assert_non_null(found(SERVER));
}

static void what_an_unchanged_kubeconfig_names_is_looked_at_each_time(void **state)
{
        (void)state;
        put_certificate(CLIENT, 30);
        put_kubeconfig(CLIENT);
        assert_int_equal(look_again().status, CHECK_OK);
        assert_true(found(MANAGER)->is_ca);
        found(MANAGER)->is_ca = false;
        assert_non_null(found(CLIENT));

        put_certificate(CLIENT, -1);
        assert_string_equal(look_again().reason, "CertificateExpired");
        assert_false(found(MANAGER)->is_ca); /* it was not parsed again */

        put_certificate("/etc/elsewhere/other.crt", 30);
        put_kubeconfig("/etc/elsewhere/other.crt");
        assert_int_equal(look_again().status, CHECK_OK);
        assert_true(found(MANAGER)->is_ca);
        assert_null(found(CLIENT));
        assert_non_null(found("/etc/elsewhere/other.crt"));
}

static void the_kubelets_certificate_follows_its_configuration(void **state)
{
        (void)state;
        put_certificate("/etc/elsewhere/a.crt", 30);
        put_certificate("/etc/elsewhere/b.crt", 30);
        put(KUBELET_CONFIG, "tlsCertFile: /etc/elsewhere/a.crt\n");
        (void)look_again();
        (void)look_again();
        assert_non_null(found("/etc/elsewhere/a.crt"));
        put(KUBELET_CONFIG, "tlsCertFile: /etc/elsewhere/b.crt\n");
        (void)look_again();
        assert_null(found("/etc/elsewhere/a.crt"));
        assert_non_null(found("/etc/elsewhere/b.crt"));
        put(KUBELET_CONFIG, "{}\n");
        (void)look_again();
        assert_null(found("/etc/elsewhere/b.crt"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_file_is_parsed_when_it_has_changed_and_judged_at_each_look),
                cmocka_unit_test(what_an_unchanged_kubeconfig_names_is_looked_at_each_time),
                cmocka_unit_test(the_kubelets_certificate_follows_its_configuration),
        };

        return cmocka_run_group_tests(tests, open_root, close_root);
}
