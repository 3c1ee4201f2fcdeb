/* SPDX-License-Identifier: Apache-2.0 */
#include "quantity.h"

#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>

struct unit {
        const char *name;
        uint64_t size;
};

/* Largest first: the formatters take the first that fits. "us" is there so that every duration has an exact
 * form. */
static const struct unit durations[] = {
        { "w", 7 * USEC_PER_DAY },
        { "d", USEC_PER_DAY },
        { "h", USEC_PER_HOUR },
        { "m", USEC_PER_MIN },
        { "s", USEC_PER_SEC },
        { "ms", USEC_PER_MSEC },
        { "us", 1 },
};

static const struct unit sizes[] = {
        { "E", UINT64_C(1) << 60 },
        { "P", UINT64_C(1) << 50 },
        { "T", UINT64_C(1) << 40 },
        { "G", UINT64_C(1) << 30 },
        { "M", UINT64_C(1) << 20 },
        { "K", UINT64_C(1) << 10 },
        { "B", 1 },
};

static unsigned digit_value(char c)
{
        if (c >= '0' && c <= '9')
                return (unsigned)(c - '0');
        if (c >= 'a' && c <= 'f')
                return (unsigned)(c - 'a' + 10);
        return UINT_MAX;
}

int digits_parse(const char **text, unsigned base, uint64_t *ret)
{
        const char *p = *text;
        uint64_t value = 0;
        bool fits = true;

        if (digit_value(*p) >= base)
                return -EINVAL;
        for (; digit_value(*p) < base; p++)
                if (__builtin_mul_overflow(value, (uint64_t)base, &value) ||
                    __builtin_add_overflow(value, (uint64_t)digit_value(*p), &value))
                        fits = false;

        *text = p;
        if (!fits)
                return -ERANGE;
        *ret = value;
        return 0;
}

static int quantity_parse(const char *text, const struct unit *units, size_t n_units, uint64_t *ret)
{
        uint64_t value = 0;
        int r;

        r = digits_parse(&text, 10, &value);
        if (r == -EINVAL)
                return r;

        for (size_t i = 0; i < n_units; i++) {
                if (strcmp(text, units[i].name) != 0)
                        continue;
                if (r < 0 || __builtin_mul_overflow(value, units[i].size, &value))
                        return -ERANGE;
                *ret = value;
                return 0;
        }
        return -EINVAL;
}

int duration_parse(const char *text, uint64_t *ret_usec)
{
        return quantity_parse(text, durations, ELEMENTS(durations), ret_usec);
}

int size_parse(const char *text, uint64_t *ret_bytes)
{
        return quantity_parse(text, sizes, ELEMENTS(sizes), ret_bytes);
}

int percent_parse(const char *text, double *ret_fraction)
{
        uint64_t whole = 0;
        double value, unit = 1;
        int r;

        r = digits_parse(&text, 10, &whole);
        if (r == -EINVAL)
                return r;
        value = (double)whole;

        if (*text == '.') {
                text++;
                if (*text < '0' || *text > '9')
                        return -EINVAL;
                for (; *text >= '0' && *text <= '9'; text++) {
                        unit /= 10;
                        value += (*text - '0') * unit;
                }
        }
        if (strcmp(text, "%") != 0)
                return -EINVAL;
        if (r < 0 || value > 100)
                return -ERANGE;

        *ret_fraction = value / 100;
        return 0;
}

/* The largest unit of which the value is a whole multiple. */
static char *quantity_format(uint64_t value, const struct unit *units, const char *zero, char *buffer)
{
        if (value == 0) {
                snprintf(buffer, QUANTITY_SIZE, "%s", zero);
                return buffer;
        }
        while (value % units->size != 0)
                units++;
        snprintf(buffer, QUANTITY_SIZE, "%" PRIu64 "%s", value / units->size, units->name);
        return buffer;
}

char *duration_format(uint64_t usec, char buffer[static QUANTITY_SIZE])
{
        return quantity_format(usec, durations, "0s", buffer);
}

char *size_format(uint64_t bytes, char buffer[static QUANTITY_SIZE])
{
        return quantity_format(bytes, sizes, "0B", buffer);
}

char *duration_format_human(uint64_t usec, char buffer[static QUANTITY_SIZE])
{
        for (size_t i = 0; i < ELEMENTS(durations); i++) {
                uint64_t second = 0;

                if (usec < durations[i].size)
                        continue;
                if (i + 1 < ELEMENTS(durations))
                        second = usec % durations[i].size / durations[i + 1].size;
                if (second > 0)
                        snprintf(buffer, QUANTITY_SIZE, "%" PRIu64 "%s %" PRIu64 "%s",
                                 usec / durations[i].size, durations[i].name, second, durations[i + 1].name);
                else
                        snprintf(buffer, QUANTITY_SIZE, "%" PRIu64 "%s", usec / durations[i].size,
                                 durations[i].name);
                return buffer;
        }
        return duration_format(0, buffer);
}

char *size_format_human(uint64_t bytes, char buffer[static QUANTITY_SIZE])
{
        static const char *const names[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
        double value = (double)bytes / 1024;
        size_t i = 0;

        if (bytes < 1000) {
                snprintf(buffer, QUANTITY_SIZE, "%" PRIu64 " B", bytes);
                return buffer;
        }

        /* 1000 to 1023 of a unit would take four digits: they are shown as 0.98 of the next. */
        for (; value >= 999.5; i++)
                value /= 1024;
        snprintf(buffer, QUANTITY_SIZE, "%.*f %s",
                 value < 9.995   ? 2
                 : value < 99.95 ? 1
                                 : 0,
                 value, names[i]);
        return buffer;
}
