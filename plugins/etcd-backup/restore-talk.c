/* SPDX-License-Identifier: Apache-2.0 */

#include "restore-talk.h"

#include <inttypes.h>
#include <openssl/crypto.h>
#include <string.h>
#include <termios.h>

#include "manifest.h"
#include "quantity.h"
#include "timestamp.h"

#define ANSWER_SIZE   16
#define IDENTITY_SIZE 256

static const char before[] =
        "A restore replaces all that Kubernetes knows by what it knew when the copy was taken.\n"
        "\n"
        "First, in the management cluster, keep Cluster API from deleting this machine while its API server "
        "is\n"
        "down, and from acting on what it remembers:\n"
        "  kubectl patch cluster CLUSTER --type merge -p '{\"spec\":{\"paused\":true}}'\n"
        "  kubectl annotate kubeadmcontrolplane,machine --all cluster.x-k8s.io/paused=\n"
        "  kubectl annotate machine --all cluster.x-k8s.io/skip-remediation=\n"
        "(the annotations with --selector cluster.x-k8s.io/cluster-name=CLUSTER where there are more "
        "clusters).\n"
        "\n"
        "Then, on every OTHER control-plane node, stop etcd and the API server, or they go on with the old "
        "data:\n"
        "  mkdir -p /etc/kubernetes/stopped\n"
        "  mv /etc/kubernetes/manifests/etcd.yaml /etc/kubernetes/manifests/kube-*.yaml "
        "/etc/kubernetes/stopped/\n"
        "\n";

static const char after[] =
        "\n"
        "What is still to be done:\n"
        "- This member is now a cluster of its own. The other control-plane nodes belong to the old one and "
        "cannot\n"
        "  come back to it with their data. Let Cluster API make them anew: unpause (below), then delete "
        "their\n"
        "  machines one after the other and wait for each new one to be Ready:\n"
        "    kubectl delete machine MACHINE\n"
        "  Or on each, with etcd and API server still stopped: rm -rf /var/lib/etcd/member; on this node\n"
        "    etcdctl member add NAME --peer-urls=https://ADDRESS:2380\n"
        "  and there --initial-cluster-state=existing and the whole list as --initial-cluster in etcd.yaml; "
        "then\n"
        "  move the manifests back.\n"
        "- In the management cluster, when all is well:\n"
        "    kubectl annotate kubeadmcontrolplane,machine --all cluster.x-k8s.io/paused-\n"
        "    kubectl annotate machine --all cluster.x-k8s.io/skip-remediation-\n"
        "    kubectl patch cluster CLUSTER --type merge -p '{\"spec\":{\"paused\":false}}'\n";

int restore_ask_consent(const struct restore *restore)
{
        char answer[ANSWER_SIZE] = "";

        (void)restore;
        fputs(before, stderr);
        if (!isatty(STDIN_FILENO))
                return -ENOTTY;
        fputs("Both done, and restore this node's etcd? Type yes: ", stderr);
        if (!fgets(answer, sizeof(answer), stdin) || strcmp(answer, "yes\n") != 0)
                return -ECANCELED;
        return 0;
}

/* What is typed as soon as the prompt is there is hidden, and kept. */
static int read_without_echo(FILE *terminal, const char *prompt, char *line, int size)
{
        struct termios shown, hidden;
        bool read;

        if (tcgetattr(fileno(terminal), &shown) < 0)
                return -errno;
        hidden = shown;
        hidden.c_lflag &= ~(tcflag_t)ECHO;
        if (tcsetattr(fileno(terminal), TCSAFLUSH, &hidden) < 0)
                return -errno;
        fputs(prompt, terminal);
        (void)fflush(terminal); /* C17 7.21.5.3, 7: between writing and reading */
        read = fgets(line, size, terminal) != NULL;
        (void)tcsetattr(fileno(terminal), TCSAFLUSH, &shown);
        return read ? 0 : -ECANCELED;
}

int restore_ask_identity(struct age_identities *ret, struct failure *failure)
{
        _cleanup_(fclosep) FILE *terminal = fopen("/dev/tty", "r+e");
        char line[IDENTITY_SIZE];
        int r;

        if (!terminal)
                return failure_set(failure, -ENOTTY, "IdentityMissing",
                                   "the copy is encrypted: give the identity with --identity FILE");
        setvbuf(terminal, NULL, _IONBF, 0); /* no copy of it in a buffer that nobody zeroes */
        r = read_without_echo(terminal,
                              "The copy is encrypted. Identity (AGE-SECRET-KEY-1..., not shown): ", line,
                              sizeof(line));
        fputs("\n", terminal);
        if (r >= 0)
                r = age_identities_parse(line, ret, failure);
        OPENSSL_cleanse(line, sizeof(line));
        return r;
}

void restore_tell_plan(const struct restore *restore, const struct manifest *manifest,
                       const struct etcd_database *database)
{
        const struct restore_journal *journal = &restore->journal;
        char time[TIMESTAMP_SIZE], size[QUANTITY_SIZE];

        printf("From       %s\n", journal->source);
        printf("Taken      %s on %s, cluster id %016" PRIx64 ", etcd %s%s%s\n",
               timestamp_format(manifest->finished.realtime_usec, time), manifest->node, manifest->cluster_id,
               manifest->etcd_version, manifest->kubernetes_version ? ", Kubernetes " : "",
               manifest->kubernetes_version ?: "");
        printf("Holds      revision %" PRId64 ", %" PRIu64 " keys, %s\n", database->revision, database->keys,
               size_format_human(manifest->db_size, size));
        printf("Becomes    member %s of etcd %s in %s, alone (the copy's list has %zu)\n", journal->member,
               journal->tag, journal->data_dir, database->n_members);
        printf("By         %s %s%s\n", restore->tool.path, restore->tool.version,
               restore->tool.bumps
                       ? ""
                       : ", which cannot raise revisions: restart every kubelet and controller of the "
                         "cluster afterwards, for what they remember is newer than the cluster");
        for (size_t i = 0; restore_step_name(i); i++)
                printf("%4zu  %-16s %s\n", i + 1, restore_step_name(i), restore_step_summary(i));
}

void restore_tell_rest(const struct restore *restore)
{
        const struct restore_journal *journal = &restore->journal;

        printf("Restored: etcd and the API server serve %s.\n", journal->source);
        if (journal->bumped)
                printf("Revisions go on above %" PRId64 ", so that watches begin anew by themselves.\n",
                       journal->floor);
        else
                printf("This etcd cannot raise revisions: now restart every kubelet and every controller of "
                       "the "
                       "cluster\n(systemctl restart kubelet; kubectl rollout restart ...), for what they "
                       "remember is "
                       "newer than the cluster.\n");
        fputs(after, stdout);
        printf("- When all is well, remove the old data: rm -rf %s/" RESTORE_KEPT_PREFIX "%s\n",
               journal->data_dir, journal->id);
}
