/* SPDX-License-Identifier: Apache-2.0 */

#include "include-list.h"

#include <stdio.h>
#include <string.h>

#include "archive.h"

#define FILE_SIZE_MAX (INT64_C(1) << 30)
#define MODE_SIZE     5 /* "0644" */

void included_clear(struct included *included)
{
        for (size_t i = 0; i < included->count; i++)
                free(included->items[i].name);
        free(included->items);
        *included = (struct included){};
}

int included_add(struct included *included, const struct included_file *file)
{
        struct included_file *items;
        char *name;

        if (included->count >= INCLUDED_MAX)
                return -E2BIG;
        items = reallocarray(included->items, included->count + 1, sizeof(*items));
        if (!items)
                return -ENOMEM;
        included->items = items;
        name = strdup(file->name);
        if (!name)
                return -ENOMEM;
        items[included->count] = *file;
        items[included->count++].name = name;
        return 0;
}

bool included_equal(const struct included *one, const struct included *other)
{
        if (one->count != other->count || one->withheld != other->withheld)
                return false;
        for (size_t i = 0; i < one->count; i++) {
                const struct included_file *a = &one->items[i], *b = &other->items[i];

                if (strcmp(a->name, b->name) != 0 || a->mode != b->mode || a->size != b->size ||
                    memcmp(a->sha256, b->sha256, SHA256_SIZE) != 0)
                        return false;
        }
        return true;
}

bool included_name_is_sound(const char *name)
{
        const char *at = name + strlen(INCLUDED_PREFIX);

        if (strncmp(name, INCLUDED_PREFIX, strlen(INCLUDED_PREFIX)) != 0 || strlen(name) >= TAR_NAME_SIZE_MAX)
                return false;
        for (;;) {
                size_t size = strcspn(at, "/");

                if (size == 0 || (size == 1 && at[0] == '.') || (size == 2 && at[0] == '.' && at[1] == '.'))
                        return false;
                for (size_t i = 0; i < size; i++)
                        if ((unsigned char)at[i] < ' ' || at[i] == 0x7f)
                                return false;
                if (at[size] == '\0')
                        return true;
                at += size + 1;
        }
}

void included_reader_clear(struct included_reader *reader)
{
        included_clear(&reader->found);
        reader->hasher = hasher_free(reader->hasher);
}

int included_reader_begin(struct included_reader *reader, const char *name, uint64_t size)
{
        int r;

        reader->hasher = hasher_free(reader->hasher);
        r = hasher_new(&reader->hasher);
        return r < 0 ? r
                     : included_add(&reader->found,
                                    &(struct included_file){ .name = (char *)name, .size = size });
}

int included_reader_add(struct included_reader *reader, const void *data, size_t size)
{
        return hasher_add(reader->hasher, data, size);
}

int included_reader_end(struct included_reader *reader)
{
        return hasher_finish(reader->hasher, reader->found.items[reader->found.count - 1].sha256);
}

int included_reader_match(const struct included_reader *reader, const struct included *included,
                          struct failure *failure)
{
        const struct included *found = &reader->found;
        size_t count = found->count < included->count ? found->count : included->count;

        for (size_t i = 0; i < count; i++) {
                const struct included_file *a = &found->items[i], *b = &included->items[i];

                if (strcmp(a->name, b->name) != 0 || a->size != b->size ||
                    memcmp(a->sha256, b->sha256, SHA256_SIZE) != 0)
                        return failure_set(failure, -EBADMSG, "IncludedFileChanged",
                                           "%s in the archive is not what its manifest says", a->name);
        }
        if (found->count == included->count)
                return 0;
        return failure_set(failure, -EBADMSG, "IncludedFileChanged",
                           "the archive holds %zu files of the node, and its manifest names %zu",
                           found->count, included->count);
}

static int append(json_object *array, const struct included_file *file)
{
        _cleanup_json_ json_object *object = json_object_new_object();
        char digest[SHA256_TEXT_SIZE], mode[MODE_SIZE];
        int r;

        (void)snprintf(mode, sizeof(mode), "%04o", file->mode & 0777);
        r = object ? json_set_string(object, "file", file->name) : -ENOMEM;
        if (r >= 0)
                r = json_set_string(object, "mode", mode);
        if (r >= 0)
                r = json_set_integer(object, "size", (int64_t)file->size);
        if (r >= 0)
                r = json_set_string(object, "sha256", strchr(digest_format(file->sha256, digest), ':') + 1);
        return r < 0 ? r : json_append(array, TAKE_PTR(object));
}

int included_write(const struct included *included, json_object *object)
{
        _cleanup_json_ json_object *array = NULL;
        int r = 0;

        if (included->withheld > 0)
                r = json_set_integer(object, "withheld", (int64_t)included->withheld);
        if (r < 0 || included->count == 0)
                return r;
        array = json_object_new_array();
        if (!array)
                return -ENOMEM;
        for (size_t i = 0; i < included->count && r >= 0; i++)
                r = append(array, &included->items[i]);
        return r < 0 ? r : json_set(object, "included", TAKE_PTR(array));
}

static int read_digest(const char *text, uint8_t ret[static SHA256_SIZE])
{
        static const char digits[] = "0123456789abcdef";

        if (!text || strlen(text) != 2 * SHA256_SIZE || strspn(text, digits) != 2 * SHA256_SIZE)
                return -EINVAL;
        for (size_t i = 0; i < SHA256_SIZE; i++)
                ret[i] = (uint8_t)((strchr(digits, text[2 * i]) - digits) << 4 |
                                   (strchr(digits, text[2 * i + 1]) - digits));
        return 0;
}

static int read_file(json_object *object, struct included *included)
{
        const char *name = json_string(object, "file"), *mode = json_string(object, "mode");
        int64_t size = json_integer(object, "size", -1);
        struct included_file file = {};

        if (!name || !included_name_is_sound(name) || !mode || strlen(mode) != MODE_SIZE - 1 ||
            strspn(mode, "01234567") != MODE_SIZE - 1 || size < 0 || size > FILE_SIZE_MAX ||
            read_digest(json_string(object, "sha256"), file.sha256) < 0)
                return -EINVAL;
        file.name = (char *)name;
        file.mode = (unsigned)strtoul(mode, NULL, 8);
        file.size = (uint64_t)size;
        return included_add(included, &file);
}

int included_read(json_object *object, struct included *ret, struct failure *failure)
{
        json_object *array = json_member(object, "included", json_type_array);
        int64_t withheld = json_integer(object, "withheld", 0);
        _cleanup_included_ included = {};
        int r = withheld < 0 ? -EINVAL : 0;

        if (!array && json_object_object_get_ex(object, "included", NULL))
                r = -EINVAL;
        for (size_t i = 0; array && i < json_object_array_length(array) && r >= 0; i++) {
                json_object *item = json_object_array_get_idx(array, i);

                r = json_object_is_type(item, json_type_object) ? read_file(item, &included) : -EINVAL;
        }
        if (r == -ENOMEM)
                return r;
        if (r < 0)
                return failure_set(failure, -EINVAL, "InvalidManifest",
                                   "/included: not a list of files below " INCLUDED_PREFIX);
        included.withheld = (uint64_t)withheld;
        *ret = included;
        included = (struct included){};
        return 0;
}
