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

/* A part of the list, which is on every node long and looked through often: only what was found is copied. */
struct text {
        const char *start;
        size_t length;
};
struct fields {
        struct text device, mount_point, type, source, super_options;
};

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

/* One character of *at, with the kernel's \040, \011, \012 and \134 (mangle_path in fs/seq_file.c) turned
 * back. */
static char next_character(const char **at, const char *end)
{
        const char *text = *at;

        if (text[0] == '\\' && end - text >= 4 && text[1] <= '3' && is_octal(text[1]) && is_octal(text[2]) &&
            is_octal(text[3])) {
                *at += 4;
                return (char)((text[1] - '0') << 6 | (text[2] - '0') << 3 | (text[3] - '0'));
        }
        *at += 1;
        return *text;
}

static char *unescape(struct text text)
{
        char *copy = malloc(text.length + 1), *to = copy;

        if (!copy)
                return NULL;
        for (const char *at = text.start; at < text.start + text.length;)
                *to++ = next_character(&at, text.start + text.length);
        *to = '\0';
        return copy;
}

/* Takes the next field off *at; an empty one at the end. */
static struct text next_field(const char **at)
{
        struct text field;

        *at += strspn(*at, " ");
        field = (struct text){ *at, strcspn(*at, " \n") };
        *at += field.length;
        return field;
}

static int split_line(const char *line, struct fields *ret)
{
        struct text field, before[FIELDS_BEFORE];
        const char *at = line;

        for (unsigned i = 0; i < FIELDS_BEFORE; i++) {
                before[i] = next_field(&at);
                if (before[i].length == 0)
                        return -EBADMSG;
        }
        do {
                field = next_field(&at);
                if (field.length == 0)
                        return -EBADMSG;
        } while (field.length != 1 || field.start[0] != '-');

        ret->device = before[FIELD_DEVICE];
        ret->mount_point = before[FIELD_MOUNT_POINT];
        ret->type = next_field(&at);
        ret->source = next_field(&at);
        ret->super_options = next_field(&at);
        if (ret->mount_point.start[0] != '/' || ret->type.length == 0)
                return -EBADMSG;
        /* A file system may print nothing for its source; then the fields after it move up. */
        if (ret->super_options.length == 0) {
                ret->super_options = ret->source;
                ret->source.length = 0;
        }
        return ret->super_options.length == 0 ? -EBADMSG : 0;
}

static int copy_fields(const struct fields *fields, struct mount *ret)
{
        _cleanup_(mount_clear) struct mount mount = {
                .device = strndup(fields->device.start, fields->device.length),
                .mount_point = unescape(fields->mount_point),
                .type = strndup(fields->type.start, fields->type.length),
                .source = unescape(fields->source),
                .super_options = strndup(fields->super_options.start, fields->super_options.length),
        };

        if (!mount.device || !mount.mount_point || !mount.type || !mount.source || !mount.super_options)
                return -ENOMEM;
        *ret = mount;
        mount = (struct mount){};
        return 0;
}

int mountinfo_parse_line(const char *line, struct mount *ret)
{
        struct fields fields;
        int r;

        r = split_line(line, &fields);
        return r < 0 ? r : copy_fields(&fields, ret);
}

/* How long the mount point is, unescaped and without a slash at its end, when path is it or below it; -1 when
 * not. */
static ssize_t match(struct text mount_point, const char *path)
{
        const char *end = mount_point.start + mount_point.length, *to = path;

        for (const char *at = mount_point.start; at < end; to++) {
                char c = next_character(&at, end);

                if (c == '/' && at == end)
                        break;
                if (c != *to || c == '\0')
                        return -1;
        }
        return *to == '/' || *to == '\0' ? to - path : -1;
}

int mountinfo_read(char **ret)
{
        size_t size;

        return file_read("/proc/self/mountinfo", MOUNTINFO_MAX, ret, &size);
}

/* Behind the line with that number; NULL: there are fewer. */
static char *end_of_line(char *text, size_t line)
{
        while (line-- > 0) {
                text = strchr(text, '\n');
                if (!text)
                        return NULL;
                text++;
        }
        return text;
}

int mountinfo_read_lines(int fd, size_t lines, size_t size, char **ret)
{
        _cleanup_free_ char *text = NULL;
        size_t length = 0, capacity = 0;
        char *grown, *end;
        ssize_t n;

        do {
                if (length == capacity) {
                        capacity = capacity ? capacity * 2 : size;
                        if (capacity > MOUNTINFO_MAX)
                                return -EFBIG;
                        grown = realloc(text, capacity + 1);
                        if (!grown)
                                return -ENOMEM;
                        text = grown;
                }
                n = pread(fd, text + length, capacity - length, (off_t)length);
                if (n < 0)
                        return -errno;
                length += (size_t)n;
                text[length] = '\0';
                end = end_of_line(text, lines);
        } while (n > 0 && !end);
        if (end)
                *end = '\0';
        *ret = TAKE_PTR(text);
        return 0;
}

int mountinfo_find(const char *mountinfo, const char *path, struct mount *ret)
{
        size_t best_number = 0, number = 0;
        struct fields best = {};
        ssize_t best_length = -1;
        int r;

        for (const char *line = mountinfo; *line; line += strcspn(line, "\n"), line += *line == '\n') {
                struct fields fields;
                ssize_t length;

                number++;
                r = split_line(line, &fields);
                if (r < 0)
                        return r;
                length = match(fields.mount_point, path);
                if (length < 0 || length < best_length)
                        continue;
                best = fields;
                best_length = length;
                best_number = number;
        }
        r = best_length < 0 ? -ENOENT : copy_fields(&best, ret);
        if (r >= 0)
                ret->line = best_number;
        return r;
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
