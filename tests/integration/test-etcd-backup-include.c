/* SPDX-License-Identifier: Apache-2.0 */

/* What else of the node is in a copy, taken out of it with the tools that everybody has. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "backup-node.h"
#include "files.h"
#include "program.h"

#define PKI        "etc/kubernetes/pki/"
#define ENCRYPTION "etc/kubernetes/enc/config.yaml"

/* A kubeadm node's files, around etcd's certificates which are there already. */
static int group_set_up(void **state)
{
        if (backup_node_set_up(state) < 0 ||
            !shell("mkdir -p etc/kubernetes/enc etc/kubernetes/manifests var/lib/kubelet/pods run/kubeadm; "
                   "age-keygen -o identity 2>/dev/null; age-keygen -y identity | tr -d '\\n' >recipient"))
                return -1;
        root_write(root, PKI "ca.crt", "the authority\n", 0644);
        root_write(root, PKI "ca.key", "the authority's key\n", 0600);
        root_write(root, PKI "sa.pub", "a public key\n", 0644);
        root_write(root, PKI "odd-name", "-----BEGIN EC PRIVATE KEY-----\n", 0600);
        root_write(root, ENCRYPTION, "kind: EncryptionConfiguration\n", 0600);
        root_write(root, "etc/kubernetes/manifests/kube-apiserver.yaml",
                   "spec:\n  containers:\n  - command:\n    - kube-apiserver\n"
                   "    - --encryption-provider-config=/" ENCRYPTION "\n"
                   "    image: registry.example.org/kube-apiserver:v1.29.3\n",
                   0600);
        root_write(root, "var/lib/kubelet/config.yaml", "kind: KubeletConfiguration\n", 0644);
        root_write(root, "var/lib/kubelet/pods/secret", "not to be read\n", 0600);
        root_write(root, "run/kubeadm/kubeadm.yaml", "token: abc\n", 0640);
        root_write(root, "etc/passwd", "root\n", 0644);
        return shell("ln -s ca.crt " PKI "old-ca.crt; ln -s ../../passwd " PKI "elsewhere.crt; "
                     "ln -s nowhere " PKI "dangling.crt")
                       ? 0
                       : -1;
}

static void configure(const char *more)
{
        _cleanup_free_ char *text = NULL;

        assert_true(asprintf(&text,
                             "{ \"cluster\": \"" CLUSTER "\", \"etcd\": { \"endpoint\": \"%s\" }, %s\n"
                             "  \"targets\": [ { \"name\": \"local\", \"path\": \"/" SNAPSHOTS "\" } ] }\n",
                             member.endpoint, more) > 0);
        root_write(root, CONFIG, text, 0600);
}

static void configure_encrypted(const char *include)
{
        _cleanup_free_ char *recipient = root_read(root, "recipient"), *more = NULL;

        assert_true(asprintf(&more, "%s \"encryption\": { \"recipients\": [ \"%s\" ] },", include,
                             recipient) > 0);
        configure(more);
}

static void snapshot_and_take_apart(const char *decrypt)
{
        assert_int_equal(take_snapshot(), 0);
        assert_last_run("VerifiedCopyTaken");
        assert_only_whole_copies(1);
        assert_true(shell("rm -rf out; mkdir out; cat " SNAPSHOTS "/*.tar.zst* >/dev/null; "
                          "for f in " SNAPSHOTS "/*.zst " SNAPSHOTS "/*.age; do "
                          "if [ -e $f ]; then %s <$f | zstd -qd | tar -x -p -C out; fi; done",
                          decrypt));
}

static int verify(const char *identity)
{
        _cleanup_free_ char *path = NULL;

        assert_true(asprintf(&path, "%s/%s", root, identity ?: "") > 0);
        return program_wait(
                program_start(ETCD_BACKUP, (const char *[]){ "--root", root, "verify", "--all",
                                                             identity ? "--identity" : NULL, path, NULL }));
}

static void age_zstd_and_tar_take_the_nodes_files_out(void **state)
{
        configure_encrypted("");
        snapshot_and_take_apart("age -d -i identity");
        assert_true(shell("for f in " PKI "ca.crt " PKI "ca.key " PKI "sa.pub " PKI "odd-name " PKI
                          "etcd/ca.crt " ENCRYPTION " etc/kubernetes/manifests/kube-apiserver.yaml "
                          "var/lib/kubelet/config.yaml run/kubeadm/kubeadm.yaml; do "
                          "cmp $f out/node/$f; test $(stat -c %%a $f) = $(stat -c %%a out/node/$f); done"));
        assert_true(shell("jq -e '.kubernetes == \"v1.29.3\" and (.etcd | startswith(\"3.\")) and .kernel' "
                          "out/node/versions.json >/dev/null"));
        assert_true(shell("test ! -e out/node/var/lib/kubelet/pods"));
        assert_int_equal(verify(NULL), 0);
        assert_int_equal(verify("identity"), 0);
}

static void the_manifest_lists_each_file_with_its_digest(void **state)
{
        configure_encrypted("");
        snapshot_and_take_apart("age -d -i identity");
        assert_true(shell("jq -e '.kubernetesVersion == \"v1.29.3\"' out/manifest.json >/dev/null"));
        assert_true(shell("jq -r '.included[] | \"\\(.sha256)  \\(.file)\"' out/manifest.json >sums; "
                          "test $(wc -l <sums) -ge 10; cd out; sha256sum --quiet -c ../sums; "
                          "test $(find node -type f | wc -l) = $(wc -l <../sums)"));
        assert_true(shell("jq -e '.included[] | select(.file == \"node/" PKI "ca.key\").mode == \"0600\"' "
                          "out/manifest.json >/dev/null"));
}

static void without_encryption_no_key_or_token_is_in_it(void **state)
{
        configure("");
        snapshot_and_take_apart("cat");
        assert_true(shell("test -e out/node/" PKI "ca.crt; test -e out/node/" PKI "sa.pub; "
                          "test -e out/node/var/lib/kubelet/config.yaml"));
        assert_true(shell("test ! -e out/node/" PKI "ca.key; test ! -e out/node/" PKI "odd-name; "
                          "test ! -e out/node/" ENCRYPTION "; test ! -e out/node/run/kubeadm/kubeadm.yaml; "
                          "test -z \"$(grep -r 'PRIVATE KEY' out/node)\"; "
                          "jq -e '.withheld >= 4' out/manifest.json >/dev/null"));
        assert_int_equal(verify(NULL), 0);
}

static void links_are_followed_only_within_what_was_asked_for(void **state)
{
        _cleanup_free_ char *last_run = NULL;

        configure_encrypted("");
        snapshot_and_take_apart("age -d -i identity");
        assert_true(shell("cmp " PKI "ca.crt out/node/" PKI "old-ca.crt; test ! -e out/node/" PKI
                          "elsewhere.crt; test ! -e out/node/" PKI "dangling.crt"));
        last_run = root_read(root, STATE "/last-run.json");
        assert_non_null(strstr(last_run, "is not in the copy: it is a link that leads"));
}

static void only_what_is_configured_is_included(void **state)
{
        configure("\"include\": [ \"manifests\" ],");
        snapshot_and_take_apart("cat");
        assert_true(shell("test \"$(ls out/node/etc/kubernetes)\" = manifests; test ! -e out/node/var"));
        backup_node_reset(state);
        configure("\"include\": [],");
        snapshot_and_take_apart("cat");
        assert_true(
                shell("test ! -e out/node; jq -e 'has(\"included\") | not' out/manifest.json >/dev/null"));
}

static void large_files_are_left_out_and_said(void **state)
{
        _cleanup_free_ char *last_run = NULL;

        assert_true(shell("head -c 2000000 /dev/zero >" PKI "big.crt"));
        configure_encrypted("\"include\": [ \"pki\" ],");
        snapshot_and_take_apart("age -d -i identity");
        assert_true(shell("rm " PKI "big.crt; test ! -e out/node/" PKI "big.crt; test -e out/node/" PKI
                          "ca.crt"));
        last_run = root_read(root, STATE "/last-run.json");
        assert_non_null(strstr(last_run, "big.crt is not in the copy: it is larger than 1 MiB"));
}

#define NODE_TEST(f) cmocka_unit_test_setup(f, backup_node_reset)

int main(void)
{
        const struct CMUnitTest tests[] = {
                NODE_TEST(age_zstd_and_tar_take_the_nodes_files_out),
                NODE_TEST(the_manifest_lists_each_file_with_its_digest),
                NODE_TEST(without_encryption_no_key_or_token_is_in_it),
                NODE_TEST(links_are_followed_only_within_what_was_asked_for),
                NODE_TEST(only_what_is_configured_is_included),
                NODE_TEST(large_files_are_left_out_and_said),
        };

        return cmocka_run_group_tests(tests, group_set_up, backup_node_tear_down);
}
