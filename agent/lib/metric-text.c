/* SPDX-License-Identifier: Apache-2.0 */

#include "metric-text.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define WHOLE_MAX 1e17 /* up to which "%.17g" writes them without an exponent */

static const char is_text; /* its address marks the arrays */

json_object *metric_text_array(void)
{
        json_object *metrics = json_object_new_array();

        if (metrics)
                json_object_set_userdata(metrics, (void *)&is_text, NULL);
        return metrics;
}

bool metric_text_is_array(json_object *metrics)
{
        return json_object_get_userdata(metrics) == &is_text;
}

static int append(struct printbuf *text, const char *string)
{
        return printbuf_memappend(text, string, (int)strlen(string));
}

static void free_text(json_object *samples, void *text)
{
        (void)samples;
        printbuf_free(text);
}

static int print(json_object *samples, struct printbuf *out, int level, int flags)
{
        const struct printbuf *text = json_object_get_userdata(samples);

        (void)level;
        (void)flags;
        if (append(out, "[") < 0 || printbuf_memappend(out, text->buf, text->bpos) < 0)
                return -1;
        return append(out, " ]");
}

json_object *metric_text_samples(void)
{
        json_object *samples = json_object_new_array();
        struct printbuf *text = printbuf_new();

        if (!samples || !text) {
                json_object_put(samples);
                printbuf_free(text);
                return NULL;
        }
        json_object_set_serializer(samples, print, text, free_text);
        return samples;
}

/* The bytes that must not stand in a string as they are, as RFC 8259 has them. */
static int append_string(struct printbuf *text, const char *string)
{
        int r = append(text, "\"");

        while (r >= 0 && *string) {
                size_t plain = 0;

                while ((uint8_t)string[plain] >= ' ' && string[plain] != '"' && string[plain] != '\\')
                        plain++;
                if (plain > 0)
                        r = printbuf_memappend(text, string, (int)plain);
                string += plain;
                if (r >= 0 && *string)
                        r = sprintbuf(text, "\\u%04x", (unsigned)(uint8_t)*string++);
        }
        return r < 0 ? r : append(text, "\"");
}

/* As json-c writes a double. */
static int append_number(struct printbuf *text, double value)
{
        if (fabs(value) < WHOLE_MAX && value == (double)(int64_t)value)
                return sprintbuf(text, "%lld.0", (long long)value);
        return isnan(value)   ? sprintbuf(text, "NaN")
               : isinf(value) ? sprintbuf(text, value > 0 ? "Infinity" : "-Infinity")
                              : sprintbuf(text, "%.17g", value);
}

int metric_text_add(json_object *samples, double value, va_list labels)
{
        struct printbuf *text = json_object_get_userdata(samples);
        const char *separator = "";
        bool failed = append(text, text->bpos > 0 ? ",\n" : "\n") < 0;

        failed |= append(text, "        { \"labels\":{") < 0;
        for (const char *label; (label = va_arg(labels, const char *)); separator = ",") {
                failed |= append(text, separator) < 0 || append_string(text, label) < 0;
                failed |= append(text, ":") < 0 || append_string(text, va_arg(labels, const char *)) < 0;
        }
        failed |= append(text, "}, \"value\":") < 0 || append_number(text, value) < 0;
        failed |= append(text, " }") < 0;
        return failed ? -ENOMEM : 0;
}
