/* SPDX-License-Identifier: Apache-2.0 */

#include "revision-journal.h"

#include <inttypes.h>
#include <string.h>

#include "copies.h"
#include "files.h"
#include "quantity.h"

#define FILE_NAME     "revisions"
#define MARKS_MAX     512 /* of 80 bytes at most */
#define LINE_MAX_SIZE 96
#define SLACK_MIN     1000000
#define SLACK_FACTOR  10
/* etcd's own advice for a bump of which nothing is known (etcd.io, "Disaster recovery"): a week at 1500
 * writes a second. More would only bring the end of the numbers nearer. */
#define SLACK_MAX INT64_C(1000000000)

struct marks {
        struct revision_mark items[MARKS_MAX];
        size_t count;
};

/* A line as revision_journal_add writes it. */
static int parse_mark(const char *line, struct revision_mark *ret)
{
        static const unsigned bases[] = { 10, 16, 10, 10 };
        uint64_t numbers[ELEMENTS(bases)];

        for (size_t i = 0; i < ELEMENTS(bases); i++) {
                if (i > 0 && *line++ != ' ')
                        return -EINVAL;
                if (digits_parse(&line, bases[i], &numbers[i]) < 0)
                        return -EINVAL;
        }
        if (*line || numbers[2] == 0 || numbers[2] > INT64_MAX)
                return -EINVAL;
        *ret = (struct revision_mark){ numbers[0], numbers[1], (int64_t)numbers[2], numbers[3] };
        return 0;
}

/* Lines that cannot be read are left out: a floor from the rest is better than none. */
static int load(const char *path, struct marks *ret)
{
        _cleanup_free_ char *text = NULL;
        size_t size;
        int r;

        ret->count = 0;
        r = file_read(path, MARKS_MAX * LINE_MAX_SIZE, &text, &size);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        for (char *at = text, *line; (line = strsep(&at, "\n")) && ret->count < MARKS_MAX;)
                if (parse_mark(line, &ret->items[ret->count]) >= 0)
                        ret->count++;
        return 0;
}

int revision_journal_add(const char *state_dir, const struct revision_mark *mark)
{
        _cleanup_free_ char *path = copy_path(state_dir, FILE_NAME, ""), *text = NULL;
        _cleanup_free_ struct marks *marks = calloc(1, sizeof(*marks));
        size_t size = 0;
        int r;

        if (!path || !marks)
                return -ENOMEM;
        r = load(path, marks);
        if (r < 0)
                marks->count = 0; /* it is no journal any more */
        if (marks->count == MARKS_MAX)
                memmove(marks->items, marks->items + 1, --marks->count * sizeof(*marks->items));
        marks->items[marks->count++] = *mark;

        text = malloc(marks->count * LINE_MAX_SIZE);
        if (!text)
                return -ENOMEM;
        for (size_t i = 0; i < marks->count; i++)
                size += (size_t)snprintf(text + size, LINE_MAX_SIZE,
                                         "%" PRIu64 " %" PRIx64 " %" PRId64 " %" PRIu64 "\n",
                                         marks->items[i].realtime_usec, marks->items[i].cluster_id,
                                         marks->items[i].revision, marks->items[i].raft_index);
        return file_write(path, text, size, 0600);
}

/* Writes a second, the fastest between two marks that are at least a second apart. */
static double pace(const struct marks *marks, uint64_t cluster_id)
{
        const struct revision_mark *before = NULL;
        double fastest = 0;

        for (size_t i = 0; i < marks->count; i++) {
                const struct revision_mark *mark = &marks->items[i];

                if (mark->cluster_id != cluster_id)
                        continue;
                if (before && mark->realtime_usec >= before->realtime_usec + USEC_PER_SEC &&
                    mark->revision > before->revision) {
                        double found = (double)(mark->revision - before->revision) * 1e6 /
                                       (double)(mark->realtime_usec - before->realtime_usec);

                        fastest = found > fastest ? found : fastest;
                }
                before = mark;
        }
        return fastest;
}

int revision_journal_floor(const char *state_dir, uint64_t cluster_id, int64_t revision, int64_t seen,
                           uint64_t now_usec, int64_t *ret_highest, int64_t *ret_bump)
{
        _cleanup_free_ char *path = copy_path(state_dir, FILE_NAME, "");
        _cleanup_free_ struct marks *marks = calloc(1, sizeof(*marks));
        int64_t highest = seen > revision ? seen : revision, slack = SLACK_MAX;
        uint64_t last_usec = 0;
        double writes;
        int r;

        if (!path || !marks)
                return -ENOMEM;
        r = load(path, marks);
        if (r < 0)
                return r;
        for (size_t i = 0; i < marks->count; i++) {
                if (marks->items[i].cluster_id != cluster_id)
                        continue;
                if (marks->items[i].revision > highest)
                        highest = marks->items[i].revision;
                if (marks->items[i].realtime_usec > last_usec)
                        last_usec = marks->items[i].realtime_usec;
        }
        /* Without a mark, or with a clock that went back, the age says nothing. */
        if (last_usec > 0 && last_usec <= now_usec) {
                writes = pace(marks, cluster_id) * SLACK_FACTOR * (double)(now_usec - last_usec) / 1e6;
                slack = writes < SLACK_MIN           ? SLACK_MIN
                        : writes < (double)SLACK_MAX ? (int64_t)writes
                                                     : SLACK_MAX;
        }
        *ret_highest = highest;
        *ret_bump = highest - revision + slack;
        return 0;
}
