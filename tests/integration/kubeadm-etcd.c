/* SPDX-License-Identifier: Apache-2.0 */

#include "kubeadm-etcd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "backup-node.h"
#include "files.h"
#include "program.h"

#define MANIFEST "etc/kubernetes/manifests/etcd.yaml"
#define LOOK_MS  20

static volatile sig_atomic_t ended;

static void on_end(int signal)
{
        (void)signal;
        ended = 1;
}

/* Fast elections; nothing else is of interest here. */
static pid_t run_etcd(const char *bin_directory)
{
        char program[300], texts[12][300];
        const char *arguments[16] = { "etcd" };
        size_t n = 0;
        pid_t pid;
        int log;

        (void)snprintf(program, sizeof(program), "%s%setcd", bin_directory ?: "", bin_directory ? "/" : "");
        (void)snprintf(texts[n++], 300, "--data-dir=%s/var/lib/etcd", root);
        (void)snprintf(texts[n++], 300, "--name=cp-0");
        (void)snprintf(texts[n++], 300, "--initial-cluster=cp-0=http://127.0.0.1:%u", member.peer_port);
        (void)snprintf(texts[n++], 300, "--initial-advertise-peer-urls=http://127.0.0.1:%u",
                       member.peer_port);
        (void)snprintf(texts[n++], 300, "--listen-peer-urls=http://127.0.0.1:%u", member.peer_port);
        (void)snprintf(texts[n++], 300, "--listen-client-urls=%s", member.endpoint);
        (void)snprintf(texts[n++], 300, "--advertise-client-urls=%s", member.endpoint);
        (void)snprintf(texts[n++], 300, "--client-cert-auth=true");
        (void)snprintf(texts[n++], 300, "--trusted-ca-file=%s/etc/kubernetes/pki/etcd/ca.crt", root);
        (void)snprintf(texts[n++], 300, "--cert-file=%s/etc/kubernetes/pki/etcd/server.crt", root);
        (void)snprintf(texts[n++], 300, "--key-file=%s/etc/kubernetes/pki/etcd/server.key", root);
        (void)snprintf(texts[n++], 300, "--unsafe-no-fsync");
        for (size_t i = 0; i < n; i++)
                arguments[i + 1] = texts[i];
        arguments[n + 1] = "--heartbeat-interval=20";
        arguments[n + 2] = "--election-timeout=200";
        pid = fork();
        if (pid != 0)
                return pid;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        log = open("/dev/null", O_WRONLY);
        dup2(log, STDOUT_FILENO);
        dup2(log, STDERR_FILENO);
        execvp(program, (char *const *)arguments);
        _exit(127);
}

static void end_etcd(pid_t *pid)
{
        if (*pid > 0) {
                kill(*pid, SIGTERM);
                waitpid(*pid, NULL, 0);
        }
        *pid = 0;
}

static void play_kubelet(const char *bin_directory)
{
        pid_t etcd = 0;

        prctl(PR_SET_PDEATHSIG, SIGTERM);
        signal(SIGTERM, on_end);
        while (!ended) {
                bool wanted = root_has(root, MANIFEST);

                if (etcd > 0 && waitpid(etcd, NULL, WNOHANG) == etcd)
                        etcd = 0;
                if (wanted && etcd == 0)
                        etcd = run_etcd(bin_directory);
                else if (!wanted)
                        end_etcd(&etcd);
                usleep(LOOK_MS * 1000);
        }
        end_etcd(&etcd);
        _exit(0);
}

static bool serves(void *userdata)
{
        _cleanup_free_ char *answer = etcd_ctl(&member, (const char *[]){ "endpoint", "health", NULL });

        (void)userdata;
        return strstr(answer, "is healthy");
}

void kubeadm_etcd_wait(void)
{
        wait_until(serves, NULL, "etcd");
}

void kubeadm_etcd_write_manifest(const char *tag)
{
        _cleanup_free_ char *text = NULL;

        assert_true(asprintf(&text,
                             "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - command:\n    - etcd\n"
                             "    - --data-dir=/var/lib/etcd\n    - --name=cp-0\n"
                             "    - --initial-advertise-peer-urls=http://127.0.0.1:%u\n"
                             "    - --initial-cluster=cp-0=http://127.0.0.1:%u\n"
                             "    image: registry.example:5000/etcd:%s\n    imagePullPolicy: IfNotPresent\n",
                             member.peer_port, member.peer_port, tag) > 0);
        root_write(root, MANIFEST, text, 0600);
}

void kubeadm_etcd_use(struct kubeadm_etcd *node)
{
        root = node->root;
        member.root = root;
}

void kubeadm_etcd_start(struct kubeadm_etcd *node, const char *bin_directory, const char *tag)
{
        _cleanup_free_ char *manifests = NULL, *data = NULL;

        *node = (struct kubeadm_etcd){ .root = root_make() };
        root = node->root;
        etcd_make_pki(root);
        member = (struct etcd){ .root = root, .tls = true, .port = free_port(), .peer_port = free_port() };
        (void)snprintf(member.endpoint, sizeof(member.endpoint), "https://127.0.0.1:%u", member.port);
        manifests = under("etc/kubernetes/manifests");
        data = under("var/lib/etcd");
        assert_int_equal(directory_make(manifests, 0700), 0);
        assert_int_equal(directory_make(data, 0700), 0);
        configure_endpoint(member.endpoint);
        kubeadm_etcd_write_manifest(tag);
        node->kubelet = fork();
        assert_true(node->kubelet >= 0);
        if (node->kubelet == 0)
                play_kubelet(bin_directory);
        kubeadm_etcd_wait();
}

void kubeadm_etcd_stop(struct kubeadm_etcd *node)
{
        kill(node->kubelet, SIGTERM);
        waitpid(node->kubelet, NULL, 0);
        root_remove(node->root);
}
