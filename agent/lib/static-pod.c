/* SPDX-License-Identifier: Apache-2.0 */

#include "static-pod.h"

#include <string.h>

#include "files.h"

#define MANIFEST_MAX (256 * 1024)

int static_pod_load(const char *root, const char *name, char **ret_text)
{
        _cleanup_free_ char *path = NULL, *below = NULL;
        size_t size;

        if (asprintf(&path, "/etc/kubernetes/manifests/%s.yaml", name) < 0)
                return -ENOMEM;
        below = path_under(root, path);
        return below ? file_read(below, MANIFEST_MAX, ret_text, &size) : -ENOMEM;
}

/* Copies the rest of a line without quotes and blanks around it. */
static bool copy_value(const char *from, char ret[static STATIC_POD_VALUE_SIZE])
{
        const char *end = from + strcspn(from, "\r\n");

        while (from < end && strchr(" \t\"'", *from))
                from++;
        while (end > from && strchr(" \t\"'", end[-1]))
                end--;
        if (end == from || end - from >= STATIC_POD_VALUE_SIZE)
                return false;
        memcpy(ret, from, (size_t)(end - from));
        ret[end - from] = '\0';
        return true;
}

/* The rest of the first line that begins with the text, blanks, list dashes and quotes apart. */
static const char *find_line(const char *manifest, const char *begin)
{
        for (const char *line = manifest; line; line = strchr(line, '\n')) {
                line += strspn(line, "\n");
                line += strspn(line, " \t");
                if (line[0] == '-' && line[1] == ' ')
                        line += 2 + strspn(line + 2, " \t\"'");
                if (strncmp(line, begin, strlen(begin)) == 0)
                        return line + strlen(begin);
        }
        return NULL;
}

bool static_pod_argument(const char *manifest, const char *name, char ret[static STATIC_POD_VALUE_SIZE])
{
        char begin[128];
        const char *rest;

        (void)snprintf(begin, sizeof(begin), "--%s=", name);
        rest = find_line(manifest, begin);
        return rest && copy_value(rest, ret);
}

bool static_pod_tag(const char *manifest, char ret[static STATIC_POD_VALUE_SIZE])
{
        const char *rest = find_line(manifest, "image:");
        char image[STATIC_POD_VALUE_SIZE];
        const char *tag;

        if (!rest || !copy_value(rest, image))
                return false;
        image[strcspn(image, "@")] = '\0';
        tag = strrchr(image, ':');
        if (!tag || strchr(tag, '/') || tag[1] == '\0') /* a registry's port is no tag */
                return false;
        (void)snprintf(ret, STATIC_POD_VALUE_SIZE, "%s", tag + 1);
        return true;
}
