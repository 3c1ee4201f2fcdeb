/* SPDX-License-Identifier: Apache-2.0 */

#include "unified-diff.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "cleanup.h"

#define CONTEXT 3
/* Above it what lies between the first and the last difference is shown as replaced whole. */
#define TABLE_MAX (4u * 1024 * 1024)

struct lines {
        const char **items; /* each ends at its line feed, or at the text's end */
        size_t count;
};

/* The same line in both, or one that is only in one of them. */
struct edit {
        char sign; /* ' ', '-', '+' */
        const char *line;
};

struct edits {
        struct edit *items;
        size_t count;
};

static int split(const char *text, struct lines *ret)
{
        size_t count = 0;

        for (const char *at = text; at && *at; count++)
                at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL;
        ret->items = calloc(count + 1, sizeof(*ret->items));
        if (!ret->items)
                return -ENOMEM;
        for (const char *at = text; at && *at;) {
                ret->items[ret->count++] = at;
                at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL;
        }
        return 0;
}

static size_t length(const char *line)
{
        return strcspn(line, "\n");
}

static bool same(const char *one, const char *other)
{
        return length(one) == length(other) && memcmp(one, other, length(one)) == 0;
}

static void add(struct edits *edits, char sign, const char *line)
{
        edits->items[edits->count++] = (struct edit){ sign, line };
}

/* The classic table of longest common subsequences: cell (i, j) is that of a[i…] and b[j…]. */
static int compare(const char **a, size_t n, const char **b, size_t m, struct edits *edits)
{
        _cleanup_free_ uint32_t *table = NULL;
        size_t i = 0, j = 0;

        if (n && m && m + 1 <= TABLE_MAX / (n + 1)) {
                table = calloc((n + 1) * (m + 1), sizeof(*table));
                if (!table)
                        return -ENOMEM;
                for (size_t x = n; x-- > 0;)
                        for (size_t y = m; y-- > 0;) {
                                uint32_t down = table[(x + 1) * (m + 1) + y],
                                         right = table[x * (m + 1) + y + 1];

                                table[x * (m + 1) + y] = same(a[x], b[y])
                                                                 ? table[(x + 1) * (m + 1) + y + 1] + 1
                                                                 : (down > right ? down : right);
                        }
        }
        while (table && i < n && j < m)
                if (same(a[i], b[j])) {
                        add(edits, ' ', a[i++]);
                        j++;
                } else if (table[(i + 1) * (m + 1) + j] >= table[i * (m + 1) + j + 1]) {
                        add(edits, '-', a[i++]);
                } else {
                        add(edits, '+', b[j++]);
                }
        while (i < n)
                add(edits, '-', a[i++]);
        while (j < m)
                add(edits, '+', b[j++]);
        return 0;
}

static int make_edits(const struct lines *before, const struct lines *after, struct edits *edits)
{
        size_t head = 0, tail = 0;
        int r;

        edits->items = calloc(before->count + after->count + 1, sizeof(*edits->items));
        if (!edits->items)
                return -ENOMEM;
        while (head < before->count && head < after->count && same(before->items[head], after->items[head]))
                add(edits, ' ', before->items[head++]);
        while (tail < before->count - head && tail < after->count - head &&
               same(before->items[before->count - tail - 1], after->items[after->count - tail - 1]))
                tail++;
        r = compare(before->items + head, before->count - head - tail, after->items + head,
                    after->count - head - tail, edits);
        if (r < 0)
                return r;
        for (size_t i = before->count - tail; i < before->count; i++)
                add(edits, ' ', before->items[i]);
        return 0;
}

/* Where the hunk that has the next change at or behind `from` begins and ends; false: there is none. */
static bool next_hunk(const struct edits *edits, size_t from, size_t *ret_begin, size_t *ret_end)
{
        size_t first = from, last;

        while (first < edits->count && edits->items[first].sign == ' ')
                first++;
        if (first == edits->count)
                return false;
        last = first;
        for (size_t i = first; i < edits->count && i <= last + 2 * CONTEXT; i++)
                if (edits->items[i].sign != ' ')
                        last = i;
        *ret_begin = first - from > CONTEXT ? first - CONTEXT : from;
        *ret_end = last + CONTEXT + 1 < edits->count ? last + CONTEXT + 1 : edits->count;
        return true;
}

static void print_range(FILE *stream, char sign, size_t before, size_t count)
{
        /* An empty range names the line in front of it. */
        fprintf(stream, "%c%zu", sign, count ? before + 1 : before);
        if (count != 1)
                fprintf(stream, ",%zu", count);
}

static void print_hunk(FILE *stream, const struct edits *edits, size_t begin, size_t end, size_t *old,
                       size_t *new)
{
        size_t olds = 0, news = 0;

        for (size_t i = begin; i < end; i++) {
                olds += edits->items[i].sign != '+';
                news += edits->items[i].sign != '-';
        }
        fputs("@@ ", stream);
        print_range(stream, '-', *old, olds);
        fputc(' ', stream);
        print_range(stream, '+', *new, news);
        fputs(" @@\n", stream);
        for (size_t i = begin; i < end; i++) {
                const struct edit *edit = &edits->items[i];

                fprintf(stream, "%c%.*s\n", edit->sign, (int)length(edit->line), edit->line);
                if (edit->line[length(edit->line)] == '\0')
                        fputs("\\ No newline at end of file\n", stream);
        }
        *old += olds;
        *new += news;
}

static void print(FILE *stream, const struct edits *edits)
{
        size_t old = 0, new = 0, at = 0, begin, end;

        while (next_hunk(edits, at, &begin, &end)) {
                old += begin - at;
                new += begin - at;
                print_hunk(stream, edits, begin, end, &old, &new);
                at = end;
        }
}

int unified_diff(FILE *stream, const char *name, const char *before, const char *after)
{
        _cleanup_free_ const char **old = NULL, **new = NULL;
        _cleanup_free_ struct edit *made = NULL;
        struct lines olds = {}, news = {};
        struct edits edits = {};
        int r;

        if (before == after || (before && after && strcmp(before, after) == 0))
                return 0;
        r = split(before, &olds);
        old = olds.items;
        if (r >= 0)
                r = split(after, &news);
        new = news.items;
        if (r >= 0)
                r = make_edits(&olds, &news, &edits);
        made = edits.items;
        if (r < 0)
                return r;
        fprintf(stream, "--- %s\n+++ %s\n", before ? name : "/dev/null", after ? name : "/dev/null");
        print(stream, &edits);
        return 0;
}
