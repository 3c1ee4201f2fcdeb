/* SPDX-License-Identifier: Apache-2.0 */

#include "mountinfo.h"

#include <string.h>

#include "files.h"

/* id, parent, device, root, mount point, options; then any number of optional fields, a dash, and type,
 * source, super options. */
#define MOUNTINFO_MAX     (8 * 1024 * 1024) /* fs.mount-max allows 100,000 */
#define FIELD_DEVICE      2
#define FIELD_MOUNT_POINT 4
#define FIELDS_BEFORE     6

void mount_clear(struct mount *mount)
{
        free(mount->device);
        free(mount->mount_point);
        free(mount->type);
        free(mount->source);
        free(mount->super_options);
        *mount = (struct mount){};
}

static bool is_octal(char c)
{
        return c >= '0' && c <= '7';
}

/* A copy with the kernel's \040, \011, \012 and \134 (mangle_path in fs/seq_file.c) turned back. */
static char *unescape(const char *text, size_t length)
{
        char *copy = malloc(length + 1), *to = copy;
        const char *end = text + length;

        if (!copy)
                return NULL;
        while (text < end) {
                if (text[0] == '\\' && end - text >= 4 && text[1] <= '3' && is_octal(text[1]) &&
                    is_octal(text[2]) && is_octal(text[3])) {
                        *to++ = (char)((text[1] - '0') << 6 | (text[2] - '0') << 3 | (text[3] - '0'));
                        text += 4;
                } else {
                        *to++ = *text++;
                }
        }
        *to = '\0';
        return copy;
}

/* Takes the next field off *at. Returns its length; 0 at the end. */
static size_t next_field(const char **at, const char **ret_field)
{
        size_t length;

        *at += strspn(*at, " ");
        length = strcspn(*at, " \n");
        *ret_field = *at;
        *at += length;
        return length;
}

int mountinfo_parse_line(const char *line, struct mount *ret)
{
        _cleanup_(mount_clear) struct mount mount = {};
        const char *at = line, *field, *device = NULL, *point = NULL, *type, *source, *options;
        size_t length, device_length = 0, point_length = 0, type_length, source_length, options_length;

        for (unsigned i = 0; i < FIELDS_BEFORE; i++) {
                length = next_field(&at, &field);
                if (length == 0)
                        return -EBADMSG;
                if (i == FIELD_DEVICE) {
                        device = field;
                        device_length = length;
                } else if (i == FIELD_MOUNT_POINT) {
                        point = field;
                        point_length = length;
                }
        }
        do {
                length = next_field(&at, &field);
                if (length == 0)
                        return -EBADMSG;
        } while (length != 1 || field[0] != '-');

        type_length = next_field(&at, &type);
        source_length = next_field(&at, &source);
        options_length = next_field(&at, &options);
        if (point[0] != '/' || type_length == 0)
                return -EBADMSG;
        /* A file system may print nothing for its source; then the fields after it move up. */
        if (options_length == 0) {
                options = source;
                options_length = source_length;
                source_length = 0;
        }
        if (options_length == 0)
                return -EBADMSG;

        mount.device = strndup(device, device_length);
        mount.mount_point = unescape(point, point_length);
        mount.type = strndup(type, type_length);
        mount.source = unescape(source, source_length);
        mount.super_options = strndup(options, options_length);
        if (!mount.device || !mount.mount_point || !mount.type || !mount.source || !mount.super_options)
                return -ENOMEM;
        *ret = mount;
        mount = (struct mount){};
        return 0;
}

/* Whether path is the directory `above` or below it. */
static bool is_below(const char *path, const char *above)
{
        size_t length = strlen(above);

        if (length > 0 && above[length - 1] == '/')
                length--;
        return strncmp(path, above, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

int mountinfo_read(char **ret)
{
        size_t size;

        return file_read("/proc/self/mountinfo", MOUNTINFO_MAX, ret, &size);
}

int mountinfo_find(const char *mountinfo, const char *path, struct mount *ret)
{
        _cleanup_(mount_clear) struct mount best = {};

        for (const char *line = mountinfo; *line; line += strcspn(line, "\n"), line += *line == '\n') {
                struct mount mount;
                int r;

                r = mountinfo_parse_line(line, &mount);
                if (r < 0)
                        return r;
                if (is_below(path, mount.mount_point) &&
                    (!best.mount_point || strlen(mount.mount_point) >= strlen(best.mount_point))) {
                        mount_clear(&best);
                        best = mount;
                } else {
                        mount_clear(&mount);
                }
        }
        if (!best.mount_point)
                return -ENOENT;
        *ret = best;
        best = (struct mount){};
        return 0;
}

bool mount_option(const char *options, const char *option)
{
        size_t length = strlen(option);

        for (const char *at = options; at; at = strchr(at, ',')) {
                at += *at == ',';
                if (strncmp(at, option, length) == 0 && (at[length] == ',' || at[length] == '\0'))
                        return true;
        }
        return false;
}
