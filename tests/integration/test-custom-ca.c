/* SPDX-License-Identifier: Apache-2.0 */

/* custom-ca against Debian's real ca-certificates package, in a root file system of its own. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <openssl/pem.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "authority.h"
#include "files.h"
#include "fingerprints.h"
#include "json.h"
#include "pki.h"
#include "program.h"
#include "report.h"

#define CONFIG "etc/capi-node-agent/custom-ca.json"
#define REPORT "run/capi-node-agent/reports/custom-ca.json"
#define BUNDLE "etc/ssl/certs/ca-certificates.crt"
#define SHARED "var/lib/capi-node-agent/custom-ca/containerd.pem"

struct node {
        char *root;
        pid_t plugin;
        struct identity one, other;
};

static void shell(const struct node *node, const char *format, ...) _printf_(2, 3);
static void shell(const struct node *node, const char *format, ...)
{
        _cleanup_free_ char *command = NULL;
        va_list arguments;

        va_start(arguments, format);
        assert_true(vasprintf(&command, format, arguments) >= 0);
        va_end(arguments);
        setenv("ROOT", node->root, 1);
        if (system(command) != 0)
                fail_msg("%s", command);
}

/* The package as its installation leaves it, but for a short selection: the script forks five times for each
 * certificate. */
static char *pristine;

static int make_pristine(void **state)
{
        struct node *node = &(struct node){ .root = pristine = root_make() };
        _cleanup_free_ char *root = root_of_suite(
                "bookworm",
                "ca-certificates coreutils dash debianutils diffutils findutils grep openssl sed");

        shell(node, "cp -a %s/. $ROOT/", root);
        shell(node, "cd $ROOT/usr/share/ca-certificates && find mozilla -name '*.crt' | sort | "
                    "sed -n '1,20p;/ISRG_Root_X1/p' > $ROOT/etc/ca-certificates.conf && mkdir -p "
                    "$ROOT/usr/local/share/ca-certificates");
        shell(node, "chroot $ROOT /usr/sbin/update-ca-certificates --fresh >/dev/null");
        return 0;
}

static int remove_pristine(void **state)
{
        root_remove(pristine);
        return 0;
}

static int make_node(void **state)
{
        struct node *node = calloc(1, sizeof(*node));

        node->root = root_make();
        shell(node, "cp -a %s/. $ROOT/", pristine);
        node->one = identity_make(NULL, "Corporate Root", "Example", true, 3650);
        node->other = identity_make(NULL, "Other Root", "Example", true, 3650);
        *state = node;
        return 0;
}

static int remove_node(void **state)
{
        struct node *node = *state;

        if (node->plugin > 0)
                assert_int_equal(program_stop(node->plugin, SIGTERM), 0);
        identity_clear(&node->one);
        identity_clear(&node->other);
        root_remove(node->root);
        free(node);
        return 0;
}

/* As a JSON string's inside. */
static char *pem_of(const struct identity *identity)
{
        BIO *bio = BIO_new(BIO_s_mem());
        char *data, *text, *to;
        long size;

        assert_int_equal(PEM_write_bio_X509(bio, identity->certificate), 1);
        size = BIO_get_mem_data(bio, &data);
        to = text = calloc(2, (size_t)size + 1);
        for (long i = 0; i < size; i++)
                if (data[i] == '\n') {
                        *to++ = '\\';
                        *to++ = 'n';
                } else {
                        *to++ = data[i];
                }
        BIO_free_all(bio);
        return text;
}

static void configure(const struct node *node, const struct identity *one, const struct identity *other,
                      const char *rest)
{
        _cleanup_free_ char *first = one ? pem_of(one) : NULL, *second = other ? pem_of(other) : NULL,
                            *text = NULL;

        assert_true(asprintf(&text, "{\"authorities\":[%s%s%s%s%s%s%s]%s}",
                             first ? "{\"name\":\"one\",\"pem\":\"" : "", first ?: "", first ? "\"}" : "",
                             first && second ? "," : "", second ? "{\"name\":\"other\",\"pem\":\"" : "",
                             second ?: "", second ? "\"}" : "", rest) >= 0);
        root_write(node->root, CONFIG, text, 0600);
}

static int run(const struct node *node, const char *command, const char *argument)
{
        return program_wait(program_start(CUSTOM_CA, (const char *const[]){ command, "--root", node->root,
                                                                            argument, NULL }));
}

static size_t bundle(const struct node *node, struct fingerprints *ret)
{
        _cleanup_free_ char *path = NULL;

        assert_true(asprintf(&path, "%s/" BUNDLE, node->root) >= 0);
        assert_int_equal(fingerprints_add_file(ret, path), 0);
        return ret->count;
}

static size_t bundle_count(const struct node *node)
{
        _cleanup_fingerprints_ found = {};

        return bundle(node, &found);
}

static bool trusted(const struct node *node, const struct identity *identity)
{
        _cleanup_fingerprints_ found = {};
        char fingerprint[SHA256_TEXT_SIZE];

        bundle(node, &found);
        assert_int_equal(certificate_fingerprint(identity->certificate, fingerprint), 0);
        return fingerprints_have(&found, fingerprint);
}

/* Whether it alone is left for registry-mirror. */
static bool shares(const struct node *node, const struct identity *identity)
{
        _cleanup_fingerprints_ found = {};
        _cleanup_free_ char *path = NULL;
        char fingerprint[SHA256_TEXT_SIZE];

        assert_true(asprintf(&path, "%s/" SHARED, node->root) >= 0);
        assert_int_equal(fingerprints_add_file(&found, path), 0);
        assert_int_equal(certificate_fingerprint(identity->certificate, fingerprint), 0);
        return found.count == 1 && fingerprints_have(&found, fingerprint);
}

/* OpenSSL by hash links alone, as a pod sees them that mounts only /etc/ssl/certs. */
static bool openssl_trusts(const struct node *node, const struct identity *root, const char *name)
{
        struct identity leaf = identity_make(root, "server", "Example", false, 30);
        _cleanup_free_ char *command = NULL;
        int r;

        identity_save(&leaf, node->root, "leaf");
        identity_clear(&leaf);
        assert_true(
                asprintf(&command,
                         "rm -rf %s/pod && mkdir %s/pod && cp -a %s/etc/ssl/certs %s/pod/ && openssl verify "
                         "-no-CAfile -no-CAstore -CApath %s/pod/certs %s/leaf.crt >/dev/null 2>&1",
                         node->root, node->root, node->root, node->root, node->root, node->root) >= 0);
        r = system(command);
        return r == 0;
}

static void an_authority_is_installed_and_withdrawn_and_the_system_s_own_stay(void **state)
{
        struct node *node = *state;
        size_t before = bundle_count(node);

        assert_true(before > 20);
        configure(node, &node->one, &node->other, "");
        assert_int_equal(run(node, "apply", NULL), 0);
        assert_int_equal(bundle_count(node), before + 2);
        assert_true(trusted(node, &node->one));
        assert_true(openssl_trusts(node, &node->one, "one"));
        assert_true(openssl_trusts(node, &node->other, "other"));

        assert_false(root_has(node->root, SHARED));
        configure(node, NULL, &node->other, ",\"containerd\":true");
        assert_int_equal(run(node, "apply", NULL), 0);
        assert_int_equal(bundle_count(node), before + 1);
        assert_true(shares(node, &node->other));
        assert_false(openssl_trusts(node, &node->one, "one"));
        assert_true(openssl_trusts(node, &node->other, "other"));

        assert_int_equal(run(node, "undo", NULL), 0);
        assert_false(root_has(node->root, SHARED));
        assert_int_equal(bundle_count(node), before);
        shell(node, "! ls $ROOT/usr/local/share/ca-certificates | grep .");
        shell(node, "! ls $ROOT/etc/ssl/certs | grep capi-node-agent");
}

/* promtool is one of the programs in Go that reads the bundle; whatever it says of the answer, it must not
 * say that it does not trust the server. */
#define ASK_BY_GO                                                                                            \
        "SSL_CERT_FILE=$ROOT/" BUNDLE " SSL_CERT_DIR=/nonexistent promtool query instant https://localhost:" \
        "$(sed -n 's/^ACCEPT .*://p' $ROOT/server.log) up 2>&1"

/* Answers every request with 501. */
#define HTTPS_SERVER                                                                                \
        "import http.server, ssl\n"                                                                 \
        "server = http.server.HTTPServer((\"127.0.0.1\", 0), http.server.BaseHTTPRequestHandler)\n" \
        "context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)\n"                                       \
        "context.load_cert_chain(\"server.crt\", \"server.key\")\n"                                 \
        "server.socket = context.wrap_socket(server.socket, server_side=True)\n"                    \
        "print(\"ACCEPT 127.0.0.1:%d\" % server.server_port, flush=True)\n"                         \
        "server.serve_forever()\n"

static bool listens(void *userdata)
{
        const struct node *node = userdata;
        _cleanup_free_ char *log = root_read(node->root, "server.log");

        return log && strstr(log, "ACCEPT ") && strchr(strstr(log, "ACCEPT "), '\n');
}

static void a_program_in_go_trusts_what_was_installed(void **state)
{
        struct node *node = *state;
        struct identity server = identity_make(&node->one, "localhost", "Example", false, 30);

        identity_save(&server, node->root, "server");
        identity_clear(&server);
        shell(node, "cd $ROOT && { python3 -c '%s' > server.log 2>server.err & echo $! > server.pid; }",
              HTTPS_SERVER);
        wait_until(listens, node, "the server listens");
        shell(node, ASK_BY_GO " | grep -q 'signed by unknown authority'");
        configure(node, &node->one, NULL, "");
        assert_int_equal(run(node, "apply", NULL), 0);
        shell(node, ASK_BY_GO " | tee $ROOT/answer | grep -q . && ! grep x509 $ROOT/answer");
        shell(node, "kill $(cat $ROOT/server.pid)");
}

static void what_the_system_trusts_already_is_noticed_and_not_installed_twice(void **state)
{
        struct node *node = *state;
        size_t before = bundle_count(node);

        root_write(node->root, CONFIG,
                   "{\"authorities\":[{\"name\":\"isrg\",\"file\":\"/usr/share/ca-certificates/mozilla/"
                   "ISRG_Root_X1.crt\"}]}",
                   0600);
        assert_int_equal(run(node, "apply", NULL), 0);
        assert_int_equal(bundle_count(node), before);
        shell(node, "! ls $ROOT/usr/local/share/ca-certificates | grep .");
}

/* All of Debian's Mozilla bundle is good input, with all of it taken out of the system's own selection. */
static void all_of_mozilla_s_bundle_is_accepted(void **state)
{
        struct node *node = *state;

        shell(node, "cat $ROOT/usr/share/ca-certificates/mozilla/*.crt > $ROOT/etc/all.pem && "
                    ": > $ROOT/etc/ca-certificates.conf && "
                    "chroot $ROOT /usr/sbin/update-ca-certificates --fresh >/dev/null");
        root_write(node->root, CONFIG,
                   "{\"authorities\":[{\"name\":\"all\",\"file\":\"/etc/all.pem\"}],"
                   "\"allowExpired\":true}", /* some of them did since the package was made */
                   0600);
        assert_int_equal(run(node, "apply", NULL), 0);
        assert_true(bundle_count(node) > 100);
}

static void a_distrusted_authority_goes_and_comes_back(void **state)
{
        struct node *node = *state;
        _cleanup_fingerprints_ isrg = {};
        _cleanup_free_ char *path = NULL, *rest = NULL, *text = NULL;
        size_t before = bundle_count(node);

        assert_true(asprintf(&path, "%s/usr/share/ca-certificates/mozilla/ISRG_Root_X1.crt", node->root) >=
                    0);
        assert_int_equal(fingerprints_add_file(&isrg, path), 0);
        assert_true(asprintf(&rest, ",\"distrust\":[\"%s\"]", isrg.items[0]) >= 0);
        configure(node, NULL, NULL, rest);
        assert_int_equal(run(node, "apply", NULL), 0);
        assert_int_equal(bundle_count(node), before - 1);
        text = root_read(node->root, "etc/ca-certificates.conf");
        assert_non_null(strstr(text, "\n!mozilla/ISRG_Root_X1.crt\n"));

        assert_int_equal(run(node, "undo", NULL), 0);
        assert_int_equal(bundle_count(node), before);
        shell(node, "! grep '^!' $ROOT/etc/ca-certificates.conf");
}

static void a_dry_run_shows_a_diff_and_changes_nothing(void **state)
{
        struct node *node = *state;
        size_t before = bundle_count(node);

        configure(node, &node->one, NULL, "");
        shell(node, CUSTOM_CA " apply --dry-run --root $ROOT > $ROOT/diff");
        shell(node, "grep -q '^+++ .*/usr/local/share/ca-certificates/capi-node-agent-[0-9a-f]*.crt$' "
                    "$ROOT/diff && "
                    "grep -q '^+-----BEGIN CERTIFICATE-----$' $ROOT/diff");
        assert_int_equal(bundle_count(node), before);
        shell(node, "! ls $ROOT/usr/local/share/ca-certificates | grep .");
}

static void what_is_installed_is_listed_for_people_and_programs(void **state)
{
        struct node *node = *state;

        configure(node, &node->one, NULL, "");
        assert_int_equal(run(node, "apply", NULL), 0);
        assert_int_equal(run(node, "list", NULL), 0);
        assert_int_equal(run(node, "list", "--bogus"), 64);
        shell(node, CUSTOM_CA
              " list --json --root $ROOT > $ROOT/list && jq -e 'length == 1 and .[0].name == \"one\" and "
              "(.[0].fingerprint | startswith(\"sha256:\")) and .[0].trustedBySystem == false' "
              "$ROOT/list >/dev/null");
}

/* As on images whose /usr cannot be written. */
static void a_read_only_store_is_named_and_left_as_it_was(void **state)
{
        struct node *node = *state;
        size_t before = bundle_count(node);

        configure(node, &node->one, NULL, "");
        shell(node, "unshare --mount sh -c 'cd $ROOT/usr/local/share/ca-certificates && mount --bind . . && "
                    "mount -o remount,bind,ro $PWD && ! " CUSTOM_CA " apply --root $ROOT 2>$ROOT/refusal' && "
                    "grep -q 'read-only; put the authorities into the image' $ROOT/refusal");
        assert_int_equal(bundle_count(node), before);
        shell(node, "! ls $ROOT/etc/ssl/certs | grep capi-node-agent");
}

static void refused_input_changes_nothing(void **state)
{
        struct node *node = *state;
        struct identity leaf = identity_make(&node->one, "leaf", "Example", false, 30),
                        expired = identity_make(NULL, "Old Root", "Example", true, -1);
        size_t before = bundle_count(node);

        configure(node, &node->one, &leaf, "");
        assert_int_not_equal(run(node, "apply", NULL), 0);
        configure(node, &node->one, &expired, "");
        assert_int_not_equal(run(node, "apply", NULL), 0);
        assert_int_equal(bundle_count(node), before);
        shell(node, "! ls $ROOT/usr/local/share/ca-certificates | grep .");

        configure(node, &node->one, &expired, ",\"allowExpired\":true");
        assert_int_equal(run(node, "apply", NULL), 0);
        assert_int_equal(bundle_count(node), before + 2);
        identity_clear(&leaf);
        identity_clear(&expired);
}

static json_object *info_of(const struct node *node, char **ret_status)
{
        _cleanup_free_ char *text = root_read(node->root, REPORT);
        struct report *report = NULL;
        json_object *info;

        if (!text || report_parse(text, strlen(text), &report, NULL) < 0)
                return NULL;
        info = json_object_get(report->info);
        for (size_t i = 0; i < report->n_conditions; i++)
                if (asprintf(ret_status, "%s", report->conditions[i].reason) < 0)
                        *ret_status = NULL;
        report_free(report);
        return info;
}

static bool all_trusted(void *userdata)
{
        _cleanup_free_ char *reason = NULL;
        _cleanup_json_ json_object *info = info_of(userdata, &reason);

        return reason && strcmp(reason, "AllTrusted") == 0 &&
               json_member(info, "authorities", json_type_array);
}

static bool mended(void *userdata)
{
        const struct node *node = userdata;

        _cleanup_fingerprints_ found = {};
        _cleanup_free_ char *path = NULL;
        char fingerprint[SHA256_TEXT_SIZE];

        assert_true(asprintf(&path, "%s/" BUNDLE, node->root) >= 0);
        assert_int_equal(certificate_fingerprint(node->one.certificate, fingerprint), 0);
        return fingerprints_add_file(&found, path) == 0 && found.count > 20 &&
               fingerprints_have(&found, fingerprint);
}

/* Two runs of the script at once leave a bundle of a few certificates (Debian has no lock). */
static void a_bundle_that_others_broke_is_mended(void **state)
{
        struct node *node = *state;

        configure(node, &node->one, NULL, "");
        node->plugin =
                program_start(CUSTOM_CA, (const char *const[]){ "daemon", "--root", node->root, NULL });
        wait_until(all_trusted, node, "the authority is trusted");
        shell(node, "head -n 30 $ROOT/" BUNDLE " > $ROOT/short && mv $ROOT/short $ROOT/" BUNDLE);
        wait_until(mended, node, "the bundle is whole again");
        shell(node,
              "for i in 1 2 3 4; do chroot $ROOT /usr/sbin/update-ca-certificates --fresh >/dev/null 2>&1 & "
              "done; wait");
        wait_until(mended, node, "the bundle is whole after parallel runs");
        wait_until(all_trusted, node, "and the condition says so");
}

static bool disabled(void *userdata)
{
        const struct node *node = userdata;

        return !trusted(node, &node->one);
}

static void a_withdrawn_configuration_is_undone_by_the_plugin_itself(void **state)
{
        struct node *node = *state;

        configure(node, &node->one, NULL, "");
        node->plugin =
                program_start(CUSTOM_CA, (const char *const[]){ "daemon", "--root", node->root, NULL });
        wait_until(all_trusted, node, "the authority is trusted");
        shell(node, "rm $ROOT/" CONFIG);
        wait_until(disabled, node, "the authority is gone");
        assert_int_equal(program_wait(node->plugin), 0);
        node->plugin = 0;
}

#define NODE_TEST(f) cmocka_unit_test_setup_teardown(f, make_node, remove_node)

int main(void)
{
        const struct CMUnitTest tests[] = {
                NODE_TEST(an_authority_is_installed_and_withdrawn_and_the_system_s_own_stay),
                NODE_TEST(a_program_in_go_trusts_what_was_installed),
                NODE_TEST(what_the_system_trusts_already_is_noticed_and_not_installed_twice),
                NODE_TEST(all_of_mozilla_s_bundle_is_accepted),
                NODE_TEST(a_distrusted_authority_goes_and_comes_back),
                NODE_TEST(a_dry_run_shows_a_diff_and_changes_nothing),
                NODE_TEST(refused_input_changes_nothing),
                NODE_TEST(what_is_installed_is_listed_for_people_and_programs),
                NODE_TEST(a_read_only_store_is_named_and_left_as_it_was),
                NODE_TEST(a_bundle_that_others_broke_is_mended),
                NODE_TEST(a_withdrawn_configuration_is_undone_by_the_plugin_itself),
        };

        return cmocka_run_group_tests(tests, make_pristine, remove_pristine);
}
