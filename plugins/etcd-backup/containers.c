/* SPDX-License-Identifier: Apache-2.0 */

#include "containers.h"

#include <string.h>

#include "files.h"
#include "json.h"

#define TASKS           "/run/containerd/io.containerd.runtime.v2.task/k8s.io"
#define CONFIG_FILE_MAX (1024 * 1024)

/* containerd: pkg/cri/annotations/annotations.go */
#define ANNOTATION_NAMESPACE "io.kubernetes.cri.sandbox-namespace"
#define ANNOTATION_SANDBOX   "io.kubernetes.cri.sandbox-name"
#define ANNOTATION_CONTAINER "io.kubernetes.cri.container-name"

/* A mirror pod is named after its manifest and the node. */
static bool is_of_pod(json_object *annotations, const char *pod)
{
        const char *namespace = json_string(annotations, ANNOTATION_NAMESPACE),
                   *sandbox = json_string(annotations, ANNOTATION_SANDBOX);
        size_t size = strlen(pod);

        return sandbox && (!namespace || strcmp(namespace, "kube-system") == 0) &&
               strncmp(sandbox, pod, size) == 0 && sandbox[size] == '-';
}

/* Returns 1 when the task is of the pod; with the container wanted, only for that. */
static int task_matches(const char *tasks, const char *id, const char *pod, bool want_container)
{
        _cleanup_json_ json_object *config = NULL;
        _cleanup_free_ char *path = NULL, *text = NULL;
        json_object *annotations;
        const char *container;
        size_t size;
        int r;

        if (asprintf(&path, "%s/%s/config.json", tasks, id) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        r = file_read(path, CONFIG_FILE_MAX, &text, &size);
        if (r >= 0)
                r = json_parse(text, size, &config, NULL);
        if (r < 0)
                return r;
        annotations = json_member(config, "annotations", json_type_object);
        if (!annotations || !is_of_pod(annotations, pod))
                return 0;
        container = json_string(annotations, ANNOTATION_CONTAINER);
        return !want_container || (container && strcmp(container, pod) == 0);
}

static int find_task(const char *root, const char *pod, bool want_container, char **ret)
{
        _cleanup_free_ char *tasks = path_under(root, TASKS);
        _cleanup_(closedirp) DIR *dir = tasks ? opendir(tasks) : NULL;
        struct dirent *entry;

        if (!tasks)
                return -ENOMEM;
        if (!dir)
                return -errno;
        while ((entry = readdir(dir))) {
                if (entry->d_name[0] == '.' || task_matches(tasks, entry->d_name, pod, want_container) <= 0)
                        continue;
                if (asprintf(ret, "%s/%s", tasks, entry->d_name) < 0) {
                        *ret = NULL;
                        return -ENOMEM;
                }
                return 0;
        }
        return -ENOENT;
}

bool container_pod_runs(const char *root, const char *pod)
{
        _cleanup_free_ char *task = NULL;

        return find_task(root, pod, false, &task) >= 0;
}

int container_rootfs(const char *root, const char *pod, char **ret)
{
        _cleanup_free_ char *task = NULL;
        char *path;
        int r;

        r = find_task(root, pod, true, &task);
        if (r < 0)
                return r;
        if (asprintf(&path, "%s/rootfs", task) < 0)
                return -ENOMEM;
        *ret = path;
        return 0;
}
