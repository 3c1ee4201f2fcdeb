/* SPDX-License-Identifier: Apache-2.0 */

#include "node.h"

#include <math.h>

void node_init(struct node *node, sd_event *event, const char *root)
{
        node->event = event;
        node->root = root;
        node->kubelet.name = (struct unit_name){ "kubelet.service", "kubelet", "Kubelet" };
        node->kubelet.after_join = true;
        node->containerd.name = (struct unit_name){ "containerd.service", "containerd", "Containerd" };
        node->space.probe.fd = node->inodes.probe.fd = -EBADF;
        node->runc.probe.fd = node->kernel_log.fd = -EBADF;
        (void)snprintf(node->api_server_url, sizeof(node->api_server_url), "https://127.0.0.1:6443");
        node->clock_error_seconds = node->clock_offset_seconds = node->clock_skew_seconds = NAN;
        node->reboot_required_seconds = NAN;
        node->etcd.wal_fsync_p99_seconds = node->etcd.backend_commit_p99_seconds = NAN;
        for (size_t i = 0; i < ELEMENTS(node->dns.servers); i++)
                node->dns.servers[i].fd = -EBADF;
}

void node_configure(struct node *node, const struct node_health_config *config)
{
        node->config = config;
        node->space.count = 0; /* indices into the paths of the old one */
        node->inodes.count = 0;
        mount_list_clear(&node->mounts);
        node->space.at_once_until_usec = node->inodes.at_once_until_usec = 0;
        node->kernel_log.devices_until_usec = 0;
        if (!config->checks.kubelet.enabled)
                node->kubelet.history = (struct unit_history){};
        if (!config->checks.containerd.enabled)
                node->containerd.history = (struct unit_history){};
}

void node_done(struct node *node)
{
        unit_watch_stop(&node->kubelet);
        unit_watch_stop(&node->containerd);
        units_stop(&node->units);
        unit_bus_close(&node->bus);
        http_client_free(node->http);
        kubeconfig_clear(&node->credential);
        free(node->credential_name);
        mount_list_clear(&node->mounts);
        probe_stop(&node->space.probe);
        probe_stop(&node->inodes.probe);
        dns_watch_stop(&node->dns);
        kernel_log_close(&node->kernel_log);
        runc_version_stop(&node->runc);
        certificate_files_clear(&node->certificates);
        kept_files_clear(&node->files);
}
