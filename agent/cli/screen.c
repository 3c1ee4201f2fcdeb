/* SPDX-License-Identifier: Apache-2.0 */

#include "screen.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define WIDTH_DEFAULT 80
#define WIDTH_LEAST   40

static const char *const colour_codes[] = {
        [PLAIN] = "\033[0m",   [BOLD] = "\033[1m", [GREEN] = "\033[32m",
        [YELLOW] = "\033[33m", [RED] = "\033[31m",
};

struct screen screen_open(void)
{
        bool terminal = isatty(STDOUT_FILENO);
        struct winsize size = {};

        if (!terminal || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
                size.ws_col = WIDTH_DEFAULT;
        return (struct screen){ .stream = stdout,
                                .width = size.ws_col < WIDTH_LEAST ? WIDTH_LEAST : size.ws_col,
                                .colour = terminal && !getenv("NO_COLOR") };
}

static void paint(const struct screen *screen, enum colour colour)
{
        if (screen->colour)
                fputs(colour_codes[colour], screen->stream);
}

/* The bytes of the character at text, which takes one column; control characters (C0, DEL, and C1, which
 * UTF-8 writes as C2 80 to C2 9F) count as one byte that is to be replaced. */
static size_t character(const char *text, bool *ret_control)
{
        const unsigned char *at = (const unsigned char *)text;
        size_t size = 1;

        *ret_control = at[0] < 0x20 || at[0] == 0x7F || (at[0] == 0xC2 && at[1] < 0xA0);
        while ((at[size] & 0xC0) == 0x80)
                size++;
        return size;
}

static void put(const struct screen *screen, const char *text, size_t size)
{
        for (size_t i = 0, step; i < size; i += step) {
                bool control;

                step = character(text + i, &control);
                if (control)
                        fputc('?', screen->stream);
                else
                        fwrite(text + i, 1, step, screen->stream);
        }
}

static int columns(const char *text, size_t size)
{
        int n = 0;
        bool control;

        for (size_t i = 0; i < size; i += character(text + i, &control))
                n++;
        return n;
}

/* The bytes of the first n columns. */
static size_t prefix(const char *text, int n)
{
        size_t size = 0;
        bool control;

        while (n-- > 0 && text[size])
                size += character(text + size, &control);
        return size;
}

void screen_heading(const struct screen *screen, const char *text)
{
        fputc('\n', screen->stream);
        paint(screen, BOLD);
        fputs(text, screen->stream);
        paint(screen, PLAIN);
        fputc('\n', screen->stream);
}

void screen_column(const struct screen *screen, const char *text, int width, enum colour colour)
{
        size_t size = strlen(text);
        int used = columns(text, size);
        bool cut = width > 0 && used > width;

        if (cut) {
                size = prefix(text, width - 1);
                used = width;
        }
        if (colour != PLAIN)
                paint(screen, colour);
        put(screen, text, size);
        if (cut)
                fputc('~', screen->stream);
        if (colour != PLAIN)
                paint(screen, PLAIN);
        fprintf(screen->stream, "%*s", (width > used ? width - used : 0) + 1, "");
}

void screen_text(const struct screen *screen, const char *text, int start, int indent, enum colour colour)
{
        int at = start;

        if (colour != PLAIN)
                paint(screen, colour);
        while (*text) {
                size_t size = strcspn(text, " ");
                int used = columns(text, size);

                if (at > indent && at > start && at + 1 + used > screen->width) {
                        fprintf(screen->stream, "\n%*s", indent, "");
                        at = start = indent;
                } else if (at > start) {
                        fputc(' ', screen->stream);
                        at++;
                }
                put(screen, text, size);
                at += used;
                text += size;
                text += strspn(text, " ");
        }
        if (colour != PLAIN)
                paint(screen, PLAIN);
        fputc('\n', screen->stream);
}
