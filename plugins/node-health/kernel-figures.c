/* SPDX-License-Identifier: Apache-2.0 */

#include "kernel-figures.h"

#include <string.h>

#include "text.h"

#define FIGURES_MAX (64 * 1024) /* /proc/vmstat has about 4 KiB */

static int take(const char **at, uint64_t *ret)
{
        const char *p = *at + strspn(*at, " \t");
        uint64_t value = 0;

        if (*p < '0' || *p > '9')
                return -EBADMSG;
        for (; *p >= '0' && *p <= '9'; p++)
                if (__builtin_mul_overflow(value, 10, &value) ||
                    __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
                        return -EBADMSG;
        if (*p != '\0' && !strchr(" \t\n", *p))
                return -EBADMSG;
        *at = p;
        *ret = value;
        return 0;
}

int figures_parse(const char *text, uint64_t *ret, size_t count)
{
        uint64_t value;

        for (size_t i = 0; i < count; i++) {
                if (take(&text, &value) < 0)
                        return -EBADMSG;
                ret[i] = value;
        }
        return 0;
}

int figure_find(const char *text, const char *key, uint64_t *ret)
{
        size_t length = strlen(key);

        while (*text) {
                if (strncmp(text, key, length) == 0 && text[length] == ' ')
                        return figures_parse(text + length, ret, 1);
                text += strcspn(text, "\n");
                text += *text == '\n';
        }
        return -ENOENT;
}

int figures_read(const char *root, const char *path, uint64_t *ret, size_t count)
{
        _cleanup_free_ char *text = NULL;
        int r = text_read(root, path, FIGURES_MAX, &text);

        return r < 0 ? r : figures_parse(text, ret, count);
}

int figure_read(const char *root, const char *path, const char *key, uint64_t *ret)
{
        _cleanup_free_ char *text = NULL;
        int r = text_read(root, path, FIGURES_MAX, &text);

        return r < 0 ? r : figure_find(text, key, ret);
}
