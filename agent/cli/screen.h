/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Text on a terminal: columns, colours, paragraphs. What comes from elsewhere is printed without control
 * characters: a message with what a server answered must not steer the reader's terminal. */

#include <stdbool.h>
#include <stdio.h>

enum colour { PLAIN, BOLD, GREEN, YELLOW, RED };

struct screen {
        FILE *stream;
        int width; /* columns */
        bool colour;
};

/* Standard output: its width when it is a terminal, else 80; colours on a terminal without NO_COLOR
 * (no-color.org). */
struct screen screen_open(void);

/* A heading of its own line, with an empty one before it. */
void screen_heading(const struct screen *screen, const char *text);

/* A column of `width`, cut with "~" when the text is longer, and a blank; 0: as long as it is. */
void screen_column(const struct screen *screen, const char *text, int width, enum colour colour);

/* The rest of a line that began at column `start`, continued below at `indent`, and the end of the line. */
void screen_text(const struct screen *screen, const char *text, int start, int indent, enum colour colour);
