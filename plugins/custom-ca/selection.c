/* SPDX-License-Identifier: Apache-2.0 */

#include "selection.h"

#include <string.h>

#include "files.h"

#define SELECTION_SIZE_MAX (256 * 1024)

/* The certificates of one line's file; none when it cannot be read, as the script sees it. */
static int line_fingerprints(const char *shared, const char *line, struct fingerprints *ret)
{
        _cleanup_free_ char *path = NULL;
        int r;

        if (asprintf(&path, "%s/%s", shared, line) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        r = fingerprints_add_file(ret, path);
        return r == -ENOMEM ? r : 0;
}

int selection_fingerprints(const char *path, const char *shared, struct fingerprints *ret)
{
        _cleanup_free_ char *text = NULL;
        char *next;
        size_t size;
        int r;

        r = file_read(path, SELECTION_SIZE_MAX, &text, &size);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        next = text;
        for (char *line; (line = strsep(&next, "\n"));) {
                if (*line == '\0' || *line == '#' || *line == '!')
                        continue;
                r = line_fingerprints(shared, line, ret);
                if (r < 0)
                        return r;
        }
        return 0;
}

static bool has_line(const char *lines, const char *line)
{
        size_t size = strlen(line);

        for (const char *at = lines; at && *at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL)
                if (strncmp(at, line, size) == 0 && (at[size] == '\n' || at[size] == '\0'))
                        return true;
        return false;
}

static int is_distrusted(const char *shared, const char *line, const struct config_strings *distrust,
                         bool *ret)
{
        _cleanup_fingerprints_ certificates = {};
        int r;

        *ret = false;
        r = line_fingerprints(shared, line, &certificates);
        if (r < 0)
                return r;
        for (size_t i = 0; i < distrust->count; i++)
                if (fingerprints_have(&certificates, distrust->items[i]))
                        *ret = true;
        return 0;
}

/* One line of the new text; *changed when it is not the old one. */
static int change_line(FILE *text, FILE *record, const char *shared, char *line,
                       const struct config_strings *distrust, const char *ours, bool *changed)
{
        bool deselected = *line == '!', distrusted;
        const char *name = line + deselected;
        int r;

        if (*name == '\0' || *name == '#')
                return fprintf(text, "%s\n", line) < 0 ? -ENOMEM : 0;
        r = is_distrusted(shared, name, distrust, &distrusted);
        if (r < 0)
                return r;
        if (distrusted && !deselected) {
                *changed = true;
                fprintf(text, "!%s\n", name);
                fprintf(record, "%s\n", name);
        } else if (!distrusted && deselected && has_line(ours, name)) {
                *changed = true;
                fprintf(text, "%s\n", name);
        } else {
                fprintf(text, "%s\n", line);
                if (deselected && has_line(ours, name))
                        fprintf(record, "%s\n", name);
        }
        return 0;
}

static int change_lines(FILE *text, FILE *record, const char *shared, char *lines,
                        const struct config_strings *distrust, const char *ours, bool *changed)
{
        int r;

        for (char *line; (line = strsep(&lines, "\n"));) {
                if (*line == '\0' && !lines)
                        break; /* behind the last line feed */
                r = change_line(text, record, shared, line, distrust, ours, changed);
                if (r < 0)
                        return r;
        }
        return fflush(text) != 0 || fflush(record) != 0 ? -ENOMEM : 0;
}

int selection_change(const char *path, const char *shared, const struct config_strings *distrust,
                     const char *ours, char **ret_text, char **ret_ours)
{
        _cleanup_free_ char *old = NULL, *text = NULL, *record = NULL;
        size_t size, text_size, record_size;
        bool changed = false;
        FILE *texts, *records;
        int r;

        r = file_read(path, SELECTION_SIZE_MAX, &old, &size);
        if (r == -ENOENT)
                old = strdup("");
        else if (r < 0)
                return r;
        texts = open_memstream(&text, &text_size);
        records = open_memstream(&record, &record_size);
        r = old && texts && records ? change_lines(texts, records, shared, old, distrust, ours, &changed)
                                    : -ENOMEM;
        if (texts && fclose(texts) != 0)
                r = -ENOMEM;
        if (records && fclose(records) != 0)
                r = -ENOMEM;
        if (r < 0)
                return r;
        *ret_text = changed ? TAKE_PTR(text) : NULL;
        *ret_ours = TAKE_PTR(record);
        return 0;
}
