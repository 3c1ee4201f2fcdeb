/* SPDX-License-Identifier: Apache-2.0 */

#include "progress.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "quantity.h"
#include "timestamp.h"

#define INTERVAL_USEC   (100 * USEC_PER_MSEC)
#define COLUMNS_DEFAULT 80
#define BAR_MIN         8 /* in less, nobody sees a bar move */
#define BAR_MAX         40
#define CLEAR_LINE      "\r\033[K"

void progress_start(struct progress *progress, const char *what)
{
        *progress = (struct progress){ .enabled = isatty(STDERR_FILENO),
                                       .what = what,
                                       .started_usec = now_boottime_usec() };
}

static unsigned terminal_columns(void)
{
        struct winsize size;

        return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col
                                                                               : COLUMNS_DEFAULT;
}

/* "[=====>    ] ", in what the text leaves of the line. */
static void put_bar(char *bar, size_t size, double part, unsigned columns, size_t text)
{
        size_t room = columns > text + 4 ? columns - text - 4 : 0, width = room > BAR_MAX ? BAR_MAX : room,
               full = (size_t)((double)width * part);

        bar[0] = '\0';
        if (width < BAR_MIN || width + 4 > size)
                return;
        memset(bar, ' ', width + 3);
        bar[0] = '[';
        memset(bar + 1, '=', full);
        if (full < width)
                bar[1 + full] = '>';
        bar[width + 1] = ']';
        bar[width + 3] = '\0';
}

void progress_format(const char *what, uint64_t done, uint64_t total, uint64_t elapsed_usec, unsigned columns,
                     char ret[static PROGRESS_LINE_MAX])
{
        char so_far[QUANTITY_SIZE], whole[QUANTITY_SIZE], rate_text[QUANTITY_SIZE], left[QUANTITY_SIZE],
                text[PROGRESS_LINE_MAX / 2], bar[BAR_MAX + 4] = "";
        double part = total > 0 && done < total ? (double)done / (double)total : 1;
        uint64_t rate = elapsed_usec > 0 ? (uint64_t)((double)done * USEC_PER_SEC / (double)elapsed_usec) : 0;
        double seconds = total > done && rate > 0 ? (double)(total - done) / (double)rate : 0;

        size_format_human(done, so_far);
        size_format_human(rate, rate_text);
        if (total > 0)
                (void)snprintf(text, sizeof(text), "%.0f %%, %s of %s, %s/s, %s left", 100 * part, so_far,
                               size_format_human(total, whole), rate_text,
                               duration_format_human((uint64_t)(seconds + 0.5) * USEC_PER_SEC, left));
        else
                (void)snprintf(text, sizeof(text), "%s, %s/s", so_far, rate_text);
        if (total > 0)
                put_bar(bar, sizeof(bar), part, columns, strlen(what) + 1 + strlen(text));
        (void)snprintf(ret, PROGRESS_LINE_MAX, "%s %s%s", what, bar, text);
        if (columns < strlen(ret))
                ret[columns] = '\0';
}

void progress_show(struct progress *progress, uint64_t done, uint64_t total)
{
        char line[PROGRESS_LINE_MAX];
        uint64_t now;

        if (!progress->enabled)
                return;
        now = now_boottime_usec();
        if (now - progress->shown_usec < INTERVAL_USEC || now == progress->started_usec || done == 0)
                return;
        progress->shown_usec = now;
        progress_format(progress->what, done, total, now - progress->started_usec, terminal_columns(), line);
        fprintf(stderr, CLEAR_LINE "%s", line);
        fflush(stderr);
}

void progress_end(struct progress *progress)
{
        if (progress->shown_usec > 0)
                fputs(CLEAR_LINE, stderr);
        *progress = (struct progress){};
}

static void on_passed(uint64_t done, uint64_t total, void *userdata)
{
        progress_show(userdata, done, total);
}

struct interrupt progress_interrupt(struct progress *progress)
{
        return (struct interrupt){ .userdata = progress, .passed = on_passed };
}
