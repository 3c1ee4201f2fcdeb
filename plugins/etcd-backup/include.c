/* SPDX-License-Identifier: Apache-2.0 */

#include "include.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "files.h"
#include "timestamp.h"

#define DEPTH_MAX       4
#define APISERVER       "/etc/kubernetes/manifests/kube-apiserver.yaml"
#define ENCRYPTION_FLAG "--encryption-provider-config="
#define VERSIONS_MEMBER INCLUDED_PREFIX "versions.json"
#define OS_RELEASE      "/etc/os-release"
#define SMALL_FILE_MAX  (64 * 1024)

/* Files, and directories with all that is in them. What only kubeadm and the kubelet can make again from the
 * authorities' keys (admin.conf and its like) is not among them. */
static const struct source {
        const char *name, *path;
        bool secret; /* tokens, or keys that no one can see by their form */
} sources[] = {
        { "pki", "/etc/kubernetes/pki", false },
        { "manifests", "/etc/kubernetes/manifests", false },
        { "kubeadm", "/run/kubeadm", true }, /* where Cluster API puts it, with the token to join by */
        { "kubeadm", "/etc/kubernetes/kubeadm-config.yaml", true },
        { "kubeadm", "/etc/kubernetes/patches", false },
        { "kubeadm", "/var/lib/kubelet/config.yaml", false },
        { "kubeadm", "/var/lib/kubelet/instance-config.yaml", false },
        { "kubeadm", "/var/lib/kubelet/kubeadm-flags.env", false },
        { "kubeadm", "/etc/default/kubelet", false },
        { "kubeadm", "/etc/systemd/system/kubelet.service.d", false },
        { "kubeadm", "/usr/lib/systemd/system/kubelet.service.d", false },
        { "kubeadm", "/etc/kubernetes-version", false }, /* of image-builder, as the next */
        { "kubeadm", "/etc/image-builder-release", false },
};

struct collection {
        const struct include_request *request;
        struct include_result *result;
        include_fn found;
        void *userdata;
        uint64_t total;
        size_t count;
};

int include_check_name(const char *value, const char **ret_allowed)
{
        static const char *const names[] = { "pki", "manifests", "encryption-config", "kubeadm" };

        for (size_t i = 0; i < ELEMENTS(names); i++)
                if (strcmp(value, names[i]) == 0)
                        return 0;
        *ret_allowed = "\"pki\", \"manifests\", \"encryption-config\" or \"kubeadm\"";
        return -EINVAL;
}

static bool is_asked_for(const struct include_request *request, const char *name)
{
        for (size_t i = 0; i < request->names->count; i++)
                if (strcmp(request->names->items[i], name) == 0)
                        return true;
        return false;
}

static void leave_out(struct collection *collection, const char *path, const char *why)
{
        if (collection->result->left_out++ == 0)
                (void)failure_set(&collection->result->first, 0, "NotIncluded", "%s is not in the copy: %s",
                                  path, why);
}

/* A private key by its name or its form (RFC 7468). */
static bool is_key(const char *path, const char *data, size_t size)
{
        static const char form[] = "PRIVATE KEY-----";
        size_t length = strlen(path);

        return (length > 4 && strcmp(path + length - 4, ".key") == 0) ||
               memmem(data, size, form, sizeof(form) - 1) != NULL;
}

static int digest(const void *data, size_t size, uint8_t ret[static SHA256_SIZE])
{
        _cleanup_(hasher_freep) struct hasher *hasher = NULL;
        int r;

        r = hasher_new(&hasher);
        if (r >= 0)
                r = hasher_add(hasher, data, size);
        return r < 0 ? r : hasher_finish(hasher, ret);
}

static int hand_over(struct collection *collection, const char *name, unsigned mode, const char *data,
                     size_t size, uint64_t modified_usec)
{
        struct included_file file = { .name = (char *)name, .mode = mode & 0777, .size = size };
        int r;

        r = digest(data, size, file.sha256);
        if (r < 0)
                return r;
        collection->total += size;
        collection->count++;
        return collection->found(&file, data, modified_usec, collection->userdata);
}

static bool fits(struct collection *collection, const char *path, const char *name, uint64_t size)
{
        const char *why = NULL;

        if (!included_name_is_sound(name))
                why = "its path is too long, or odd";
        else if (size > INCLUDE_FILE_SIZE_MAX)
                why = "it is larger than 1 MiB";
        else if (collection->total + size > INCLUDE_TOTAL_SIZE_MAX)
                why = "8 MiB of files are in it already";
        else if (collection->count >= INCLUDED_MAX)
                why = "256 files are in it already";
        if (why)
                leave_out(collection, path, why);
        return !why;
}

/* `real` is where it is, `path` what it is called on the node. */
static int take_file(struct collection *collection, const char *real, const char *path, const struct stat *st,
                     bool secret)
{
        _cleanup_free_ char *data = NULL, *name = NULL;
        size_t size;
        int r;

        if (asprintf(&name, INCLUDED_PREFIX "%s", path + 1) < 0) {
                name = NULL;
                return -ENOMEM;
        }
        if (secret && !collection->request->encrypted) {
                collection->result->withheld++;
                return 0;
        }
        if (!fits(collection, path, name, (uint64_t)st->st_size))
                return 0;
        r = file_read(real, INCLUDE_FILE_SIZE_MAX, &data, &size);
        if (r == -ENOMEM)
                return r;
        if (r < 0) {
                leave_out(collection, path, strerror(-r));
                return 0;
        }
        if (!collection->request->encrypted && is_key(path, data, size)) {
                collection->result->withheld++;
                r = 0;
        } else {
                r = hand_over(collection, name, st->st_mode, data, size,
                              (uint64_t)st->st_mtim.tv_sec * 1000000);
        }
        explicit_bzero(data, size);
        return r;
}

static int take_tree(struct collection *collection, const char *top, const char *real, const char *path,
                     bool secret, unsigned depth);

/* A link to a file below the top stands for that file; any other leads out of what was asked for. */
static int take_link(struct collection *collection, const char *top, const char *real, const char *path,
                     bool secret)
{
        char resolved[PATH_MAX], below[PATH_MAX];
        size_t size;
        struct stat st;

        if (!realpath(real, resolved) || !realpath(top, below) || lstat(resolved, &st) < 0) {
                leave_out(collection, path, "it is a link that leads nowhere");
                return 0;
        }
        size = strlen(below);
        if (strncmp(resolved, below, size) != 0 || resolved[size] != '/' || !S_ISREG(st.st_mode)) {
                leave_out(collection, path, "it is a link that leads elsewhere");
                return 0;
        }
        return take_file(collection, resolved, path, &st, secret);
}

static int take_entry(struct collection *collection, const char *top, const char *real, const char *path,
                      bool secret, unsigned depth)
{
        struct stat st;

        if (lstat(real, &st) < 0) {
                if (errno != ENOENT)
                        leave_out(collection, path, strerror(errno));
                return 0;
        }
        if (S_ISREG(st.st_mode))
                return take_file(collection, real, path, &st, secret);
        if (S_ISDIR(st.st_mode))
                return take_tree(collection, top, real, path, secret, depth);
        if (S_ISLNK(st.st_mode))
                return take_link(collection, top, real, path, secret);
        return 0; /* sockets and their like hold nothing */
}

static int not_dots(const struct dirent *entry)
{
        return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static int take_tree(struct collection *collection, const char *top, const char *real, const char *path,
                     bool secret, unsigned depth)
{
        struct dirent **entries = NULL;
        int n, r = 0;

        if (depth >= DEPTH_MAX) {
                leave_out(collection, path, "it lies too deep");
                return 0;
        }
        n = scandir(real, &entries, not_dots, alphasort);
        if (n < 0) {
                leave_out(collection, path, strerror(errno));
                return 0;
        }
        for (int i = 0; i < n; i++) {
                _cleanup_free_ char *deeper_real = NULL, *deeper = NULL;

                if (r >= 0 && asprintf(&deeper_real, "%s/%s", real, entries[i]->d_name) >= 0 &&
                    asprintf(&deeper, "%s/%s", path, entries[i]->d_name) >= 0)
                        r = take_entry(collection, top, deeper_real, deeper, secret, depth + 1);
                else if (r >= 0)
                        r = -ENOMEM;
                free(entries[i]);
        }
        free(entries);
        return r;
}

static int take_path(struct collection *collection, const char *path, bool secret)
{
        _cleanup_free_ char *real = path_under(collection->request->root, path);

        return real ? take_entry(collection, real, real, path, secret, 0) : -ENOMEM;
}

static char *read_small(const char *root, const char *path)
{
        _cleanup_free_ char *real = path_under(root, path);
        char *text;
        size_t size;

        return real && file_read(real, SMALL_FILE_MAX, &text, &size) >= 0 ? text : NULL;
}

/* What follows `before` in the text, up to a blank or a quote; owned by the caller. NULL: nothing does. */
static char *find_value(const char *text, const char *before)
{
        const char *at = text ? strstr(text, before) : NULL;
        size_t size;

        if (!at)
                return NULL;
        at += strlen(before);
        size = strcspn(at, " \t\r\n\"',");
        return size > 0 ? strndup(at, size) : NULL;
}

static int take_encryption_config(struct collection *collection)
{
        _cleanup_free_ char *manifest = read_small(collection->request->root, APISERVER),
                            *path = find_value(manifest, ENCRYPTION_FLAG), *real = NULL;
        const char *allowed;

        if (!path)
                return 0;
        if (config_check_path(path, &allowed) < 0) {
                leave_out(collection, path, "it is not an absolute path");
                return 0;
        }
        real = path_under(collection->request->root, path);
        if (!real)
                return -ENOMEM;
        if (access(real, F_OK) < 0 && collection->request->encrypted)
                leave_out(collection, path,
                          "kube-apiserver reads it there, but the node has it elsewhere or not at all");
        return take_path(collection, path, true);
}

char *include_kubernetes_version(const char *root)
{
        _cleanup_free_ char *manifest = read_small(root, APISERVER), *image = find_value(manifest, "image: ");
        char *tag = image ? strrchr(image, ':') : NULL;

        return tag && !strchr(tag, '/') ? strdup(tag + 1) : NULL;
}

static int describe_versions(const struct include_request *request, json_object *object)
{
        _cleanup_free_ char *kubernetes = include_kubernetes_version(request->root),
                            *release = read_small(request->root, OS_RELEASE), *os = NULL;
        const char *name = release ? strstr(release, "PRETTY_NAME=\"") : NULL;
        struct utsname kernel;
        int r;

        if (name)
                os = strndup(name + strlen("PRETTY_NAME=\""),
                             strcspn(name + strlen("PRETTY_NAME=\""), "\"\n"));
        r = json_set_string(object, "etcd", request->etcd_version);
        if (r >= 0)
                r = json_set_string(object, "kubernetes", kubernetes);
        if (r >= 0)
                r = json_set_string(object, "os", os);
        return r < 0 ? r : json_set_string(object, "kernel", uname(&kernel) < 0 ? NULL : kernel.release);
}

static int take_versions(struct collection *collection)
{
        _cleanup_json_ json_object *object = json_object_new_object();
        const char *text;
        int r;

        r = object ? describe_versions(collection->request, object) : -ENOMEM;
        if (r < 0)
                return r;
        text = json_object_to_json_string_ext(object,
                                              JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE);
        return text ? hand_over(collection, VERSIONS_MEMBER, 0644, text, strlen(text), now_realtime_usec())
                    : -ENOMEM;
}

int include_collect(const struct include_request *request, include_fn found, void *userdata,
                    struct include_result *ret)
{
        struct collection collection = {
                .request = request, .result = ret, .found = found, .userdata = userdata
        };
        int r = 0;

        for (size_t i = 0; i < ELEMENTS(sources) && r >= 0; i++)
                if (is_asked_for(request, sources[i].name))
                        r = take_path(&collection, sources[i].path, sources[i].secret);
        if (r >= 0 && is_asked_for(request, "encryption-config"))
                r = take_encryption_config(&collection);
        if (r >= 0 && is_asked_for(request, "kubeadm"))
                r = take_versions(&collection);
        return r;
}
