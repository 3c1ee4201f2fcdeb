/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdarg.h>
#include <stddef.h>

#include "cleanup.h"

/* The file ROOT/path, owned by the caller. Returns as file_read, or -ENOMEM. */
int text_read(const char *root, const char *path, size_t max, char **ret);

/* Appends to the text in a buffer of `size` bytes. What does not fit is cut off, never inside a UTF-8
 * sequence, because the text goes into JSON. */
void text_append(char *buffer, size_t size, const char *format, ...) _printf_(3, 4);
void text_append_arguments(char *buffer, size_t size, const char *format, va_list arguments) _printf_(3, 0);
