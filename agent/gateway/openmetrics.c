/* SPDX-License-Identifier: Apache-2.0 */

#include "openmetrics.h"

#include <stdbool.h>
#include <string.h>

#include "http-request.h"

/* What differs from 0.0.4 (OpenMetrics 1.0, "Text format" and "Counter"): the family of a counter is named
 * without _total; a quote is escaped in HELP; there are no other comments and no empty lines; untyped is
 * unknown; and the page ends with # EOF, so that a page cut short is noticed. */

#define COUNTER_SUFFIX "_total"

static void write_slice(FILE *stream, struct slice slice)
{
        (void)fwrite(slice.at, 1, slice.size, stream);
}

static bool starts_with(struct slice slice, const char *text)
{
        return slice.size >= strlen(text) && memcmp(slice.at, text, strlen(text)) == 0;
}

static bool ends_with(struct slice slice, const char *text)
{
        size_t size = strlen(text);

        return slice.size >= size && memcmp(slice.at + slice.size - size, text, size) == 0;
}

/* "# KEYWORD NAME REST". Returns false for any other line. */
static bool split_comment(struct slice line, const char *keyword, struct slice *ret_name,
                          struct slice *ret_rest)
{
        if (!starts_with(line, keyword))
                return false;
        line.at += strlen(keyword);
        line.size -= strlen(keyword);
        *ret_name = slice_cut(&line, ' ');
        *ret_rest = line;
        return ret_name->size > 0;
}

/* A counter whose samples are not named _total is none to OpenMetrics. */
static const char *type_of(struct slice name, struct slice type)
{
        if (slice_is(type, "counter"))
                return ends_with(name, COUNTER_SUFFIX) && name.size > strlen(COUNTER_SUFFIX) ? "counter"
                                                                                             : "unknown";
        return slice_is(type, "gauge")       ? "gauge"
               : slice_is(type, "histogram") ? "histogram"
               : slice_is(type, "summary")   ? "summary"
                                             : "unknown";
}

static struct slice family_of(struct slice name, const char *type)
{
        if (strcmp(type, "counter") == 0)
                name.size -= strlen(COUNTER_SUFFIX);
        return name;
}

static void write_help(FILE *stream, struct slice family, struct slice text)
{
        fputs("# HELP ", stream);
        write_slice(stream, family);
        fputc(' ', stream);
        for (size_t i = 0; i < text.size; i++) {
                if (text.at[i] == '"')
                        fputc('\\', stream);
                fputc(text.at[i], stream);
        }
        fputc('\n', stream);
}

static void write_type(FILE *stream, struct slice family, const char *type)
{
        fputs("# TYPE ", stream);
        write_slice(stream, family);
        fprintf(stream, " %s\n", type);
}

void openmetrics_write(FILE *stream, const char *page, size_t size)
{
        struct slice rest = { page, size }, help_name = {}, help = {}, name, text;

        while (rest.size > 0) {
                struct slice line = slice_cut(&rest, '\n');

                if (split_comment(line, "# HELP ", &name, &text)) {
                        /* The family's name is known when its type is. */
                        help_name = name;
                        help = text;
                } else if (split_comment(line, "# TYPE ", &name, &text)) {
                        const char *type = type_of(name, text);
                        struct slice family = family_of(name, type);

                        write_type(stream, family, type);
                        if (slice_equal(help_name, name))
                                write_help(stream, family, help);
                        help_name.size = 0;
                } else if (line.size > 0 && line.at[0] != '#') {
                        write_slice(stream, line);
                        fputc('\n', stream);
                }
        }
}

void openmetrics_end(FILE *stream)
{
        fputs("# EOF\n", stream);
}
