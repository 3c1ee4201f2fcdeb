/* SPDX-License-Identifier: Apache-2.0 */

#include "text.h"

#include <string.h>

#include "files.h"

int text_read(const char *root, const char *path, size_t max, char **ret)
{
        _cleanup_free_ char *full = path_under(root, path);
        size_t size;

        return full ? file_read(full, max, ret, &size) : -ENOMEM;
}

void text_append_arguments(char *buffer, size_t size, const char *format, va_list arguments)
{
        size_t length = strlen(buffer), end = size - 1;
        int n;

        n = vsnprintf(buffer + length, size - length, format, arguments);
        if (n >= 0 && (size_t)n < size - length)
                return;
        while (end > 0 && ((unsigned char)buffer[end - 1] & 0xC0) == 0x80)
                end--;
        if (end > 0 && ((unsigned char)buffer[end - 1] & 0x80))
                end--;
        buffer[end] = '\0';
}

void text_append(char *buffer, size_t size, const char *format, ...)
{
        va_list arguments;

        va_start(arguments, format);
        text_append_arguments(buffer, size, format, arguments);
        va_end(arguments);
}
