/* SPDX-License-Identifier: Apache-2.0 */

#include "static-manifests.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "files.h"

#define MANIFEST_FILE_MAX (256 * 1024)

static char *manifest_path(const char *root, const char *directory, const char *pod)
{
        _cleanup_free_ char *relative = NULL;

        if (asprintf(&relative, "%s/%s.yaml", directory, pod) < 0) {
                relative = NULL;
                return NULL;
        }
        return path_under(root, relative);
}

int static_manifest_read(const char *root, const char *pod, char **ret_text)
{
        _cleanup_free_ char *active = manifest_path(root, STATIC_MANIFESTS, pod),
                            *aside = manifest_path(root, STATIC_MANIFESTS_ASIDE, pod);
        size_t size;
        int r;

        if (!active || !aside)
                return -ENOMEM;
        r = file_read(active, MANIFEST_FILE_MAX, ret_text, &size);
        return r == -ENOENT ? file_read(aside, MANIFEST_FILE_MAX, ret_text, &size) : r;
}

/* A YAML scalar on one line may stand in quotes. */
static char *unquoted(const char *value, size_t size)
{
        if (size >= 2 && (value[0] == '"' || value[0] == '\'') && value[size - 1] == value[0])
                return strndup(value + 1, size - 2);
        return strndup(value, size);
}

/* The rest of the first line whose text, but for indent and "- ", begins with the prefix. */
static char *line_after(const char *text, const char *prefix)
{
        size_t prefix_size = strlen(prefix);

        for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
                const char *at = line + strspn(line, " ");
                size_t size;

                if (at[0] == '-' && at[1] == ' ')
                        at += 2 + strspn(at + 2, " ");
                size = strcspn(at, "\r\n");
                /* The whole argument may be quoted. */
                if (size > prefix_size + 1 && (at[0] == '"' || at[0] == '\'') && at[size - 1] == at[0] &&
                    strncmp(at + 1, prefix, prefix_size) == 0)
                        return strndup(at + 1 + prefix_size, size - prefix_size - 2);
                if (strncmp(at, prefix, prefix_size) == 0)
                        return unquoted(at + prefix_size, size - prefix_size);
        }
        return NULL;
}

char *static_manifest_flag(const char *text, const char *flag)
{
        char prefix[128];

        (void)snprintf(prefix, sizeof(prefix), "--%s=", flag);
        return line_after(text, prefix);
}

char *static_manifest_image_tag(const char *text)
{
        _cleanup_free_ char *image = line_after(text, "image: ");
        char *digest = image ? strchr(image, '@') : NULL;
        const char *colon;

        if (digest)
                *digest = '\0';
        colon = image ? strrchr(image, ':') : NULL;

        /* A colon before a slash is a registry's port. */
        return colon && colon[1] && !strchr(colon, '/') ? strdup(colon + 1) : NULL;
}

bool static_manifest_is_active(const char *root, const char *pod)
{
        _cleanup_free_ char *active = manifest_path(root, STATIC_MANIFESTS, pod);

        return active && access(active, F_OK) == 0;
}

static int sync_directory(const char *root, const char *directory)
{
        _cleanup_free_ char *path = path_under(root, directory);
        _cleanup_close_ int fd = path ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -EBADF;

        if (!path)
                return -ENOMEM;
        if (fd < 0)
                return -errno;
        return fsync(fd) < 0 ? -errno : 0;
}

static int move_manifest(const char *root, const char *pod, const char *from, const char *to)
{
        _cleanup_free_ char *source = manifest_path(root, from, pod), *target = manifest_path(root, to, pod);
        int r;

        if (!source || !target)
                return -ENOMEM;
        if (rename(source, target) < 0)
                return errno == ENOENT ? 0 : -errno;
        r = sync_directory(root, to);
        return r < 0 ? r : sync_directory(root, from);
}

int static_manifest_withdraw(const char *root, const char *pod)
{
        _cleanup_free_ char *aside = path_under(root, STATIC_MANIFESTS_ASIDE);
        int r;

        if (!aside)
                return -ENOMEM;
        r = directory_make(aside, 0700);
        return r < 0 ? r : move_manifest(root, pod, STATIC_MANIFESTS, STATIC_MANIFESTS_ASIDE);
}

int static_manifest_return(const char *root, const char *pod)
{
        return move_manifest(root, pod, STATIC_MANIFESTS_ASIDE, STATIC_MANIFESTS);
}
