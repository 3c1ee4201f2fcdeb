/* SPDX-License-Identifier: Apache-2.0 */

#include "kept-file.h"

#include <stdio.h>
#include <string.h>

void kept_files_clear(struct kept_files *files)
{
        for (size_t i = 0; i < files->count; i++) {
                free(files->items[i].path);
                free(files->items[i].text);
        }
        *files = (struct kept_files){};
}

static int find(struct kept_files *files, const char *path, struct kept_file **ret)
{
        struct kept_file *file = files->items;

        while (file < files->items + files->count && strcmp(file->path, path) != 0)
                file++;
        if (file == files->items + files->count) {
                if (files->count == KEPT_FILES_MAX)
                        return -ENFILE;
                file->path = strdup(path);
                if (!file->path)
                        return -ENOMEM;
                files->count++;
        }
        *ret = file;
        return 0;
}

int kept_file_read(struct kept_files *files, const char *root, const char *path, const char **ret)
{
        _cleanup_free_ char *full = path_under(root, path);
        struct kept_file *file;
        struct file_stamp stamp;
        size_t size;
        int r;

        if (!full)
                return -ENOMEM;
        r = find(files, path, &file);
        if (r < 0)
                return r;
        /* Before it is read, so that a change beside us is seen the next time. */
        file_stamp_read(full, &stamp);
        if (!file->text || !file_stamp_same(&stamp, &file->stamp)) {
                free(TAKE_PTR(file->text));
                r = file_read(full, KEPT_FILE_MAX, &file->text, &size);
                if (r < 0)
                        return r;
                file->stamp = stamp;
        }
        *ret = file->text;
        return 0;
}

int kept_static_pod_read(struct kept_files *files, const char *root, const char *name, const char **ret)
{
        char path[128];

        (void)snprintf(path, sizeof(path), "/etc/kubernetes/manifests/%s.yaml", name);
        return kept_file_read(files, root, path, ret);
}
