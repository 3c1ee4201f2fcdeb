/* SPDX-License-Identifier: Apache-2.0 */

#include "kubeadm-upgrade.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "files.h"
#include "quantity.h"
#include "timestamp.h"

#define RECENT_USEC (10 * USEC_PER_MIN)

/* Its process id, or 0. Below a root that is not this system's, this system's processes say nothing. */
static int running_kubeadm(const char *root)
{
        _cleanup_(closedirp) DIR *dir = strcmp(root, "/") == 0 ? opendir("/proc") : NULL;
        struct dirent *entry;

        while (dir && (entry = readdir(dir))) {
                char path[300], *text = NULL;
                size_t size;
                bool found;

                if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
                        continue;
                (void)snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
                if (file_read(path, 64, &text, &size) < 0)
                        continue;
                found = strcmp(text, "kubeadm\n") == 0;
                free(text);
                if (found)
                        return (int)strtol(entry->d_name, NULL, 10);
        }
        return 0;
}

int kubeadm_upgrade_check(const char *root, struct failure *failure)
{
        _cleanup_free_ char *directory = path_under(root, "/etc/kubernetes/tmp");
        _cleanup_(closedirp) DIR *dir = NULL;
        struct dirent *entry;
        int pid;

        if (!directory)
                return -ENOMEM;
        pid = running_kubeadm(root);
        if (pid > 0)
                return failure_set(failure, -EBUSY, "KubeadmIsRunning",
                                   "kubeadm runs (pid %d) and may move the same manifests: let it end first",
                                   pid);
        dir = opendir(directory);
        while (dir && (entry = readdir(dir))) {
                uint64_t made;
                struct stat st;

                if (strncmp(entry->d_name, "kubeadm-upgraded-manifests", 26) != 0 ||
                    fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                        continue;
                made = (uint64_t)st.st_mtim.tv_sec * USEC_PER_SEC;
                if (made + RECENT_USEC > now_realtime_usec())
                        return failure_set(
                                failure, -EBUSY, "KubeadmIsRunning",
                                "kubeadm upgrade worked in %s/%s less than ten minutes ago: see that "
                                "it has ended; then wait, or remove that directory",
                                directory, entry->d_name);
        }
        return 0;
}
