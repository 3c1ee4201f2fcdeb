/* SPDX-License-Identifier: Apache-2.0 */

#include "calendar.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "cleanup.h"

#define LENGTH_MAX 256
#define DIGITS     "0123456789"
#define LETTERS    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define ZONES      "/usr/share/zoneinfo/"

/* The bounds of each part, as systemd's calendar_spec_valid() and chain_valid() have them (calendarspec.c).
 */
struct part {
        int from, to;
};

static const struct part year = { 1970, 2199 }, month = { 1, 12 }, day = { 1, 31 }, hour = { 0, 23 },
                         minute = { 0, 59 }, second = { 0, 59 };

static bool is_shorthand(const char *text)
{
        static const char *const names[] = { "minutely", "hourly",    "daily",    "weekly",      "monthly",
                                             "yearly",   "quarterly", "annually", "semiannually" };

        for (size_t i = 0; i < ELEMENTS(names); i++)
                if (strcasecmp(names[i], text) == 0)
                        return true;
        return false;
}

static bool take(const char **at, char c)
{
        if (**at != c)
                return false;
        (*at)++;
        return true;
}

static bool take_number(const char **at, int *ret)
{
        size_t digits = strspn(*at, DIGITS);
        int value = 0;

        if (digits == 0 || digits > 4)
                return false;
        for (size_t i = 0; i < digits; i++)
                value = value * 10 + ((*at)[i] - '0');
        *at += digits;
        *ret = value;
        return true;
}

/* START[..STOP][/REPEAT], which has to come round within the bounds at least once. */
static bool take_component(const char **at, const struct part *part)
{
        int start, stop = -1, repeat = 0;

        if (!take_number(at, &start) || start < part->from || start > part->to)
                return false;
        if (strncmp(*at, "..", 2) == 0) {
                *at += 2;
                if (!take_number(at, &stop) || stop <= start || stop > part->to)
                        return false;
        }
        if (take(at, '/') && (!take_number(at, &repeat) || repeat == 0))
                return false;
        return start + repeat <= (stop >= 0 ? stop : part->to);
}

/* "*", or components joined by commas. */
static bool take_part(const char **at, const struct part *part)
{
        if (take(at, '*'))
                return true;
        do {
                if (!take_component(at, part))
                        return false;
        } while (take(at, ','));
        return true;
}

static bool take_weekday(const char **at, int *ret)
{
        static const char *const names[] = { "Monday", "Tuesday",  "Wednesday", "Thursday",
                                             "Friday", "Saturday", "Sunday" };
        size_t length = strspn(*at, LETTERS);

        for (size_t i = 0; i < ELEMENTS(names); i++)
                if ((length == 3 || length == strlen(names[i])) && strncasecmp(*at, names[i], length) == 0) {
                        *at += length;
                        *ret = (int)i;
                        return true;
                }
        return false;
}

static bool take_weekdays(const char **at)
{
        int first, last;

        do {
                if (!take_weekday(at, &first))
                        return false;
                if (strncmp(*at, "..", 2) == 0) {
                        *at += 2;
                        if (!take_weekday(at, &last) || last <= first)
                                return false;
                }
        } while (take(at, ','));
        return true;
}

/* [YEAR-]MONTH-DAY */
static bool take_date(const char **at)
{
        const char *dash = strchr(*at, '-'), *next = dash ? strchr(dash + 1, '-') : NULL;

        if (next && next < *at + strcspn(*at, " ") && (!take_part(at, &year) || !take(at, '-')))
                return false;
        return take_part(at, &month) && take(at, '-') && take_part(at, &day);
}

static bool take_time(const char **at)
{
        return take_part(at, &hour) && take(at, ':') && take_part(at, &minute) &&
               (!take(at, ':') || take_part(at, &second));
}

static bool is_date(const char *at)
{
        return strcspn(at, "-") < strcspn(at, " ");
}

/* systemd's own rule for a zone is that its file is there (timezone_is_valid() in time-util.c). */
static bool is_zone(const char *name)
{
        char path[sizeof(ZONES) + LENGTH_MAX];
        struct stat st;

        if (strcmp(name, "UTC") == 0)
                return true;
        if (!name[0] || name[strspn(name, LETTERS DIGITS "_+-/")] || name[0] == '/' || strstr(name, "//"))
                return false;
        (void)snprintf(path, sizeof(path), ZONES "%s", name);
        return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

int calendar_check(const char *text)
{
        char copy[LENGTH_MAX + 1], *zone;
        const char *at = copy;
        size_t length = strlen(text);

        if (length == 0 || length > LENGTH_MAX)
                return -EINVAL;
        memcpy(copy, text, length + 1);
        zone = strrchr(copy, ' ');
        if (zone && is_zone(zone + 1))
                *zone = '\0';
        if (is_shorthand(copy))
                return 0;

        if (strspn(at, DIGITS "*") == 0 && (!take_weekdays(&at) || (*at && !take(&at, ' '))))
                return -EINVAL;
        if (*at && is_date(at) && (!take_date(&at) || (*at && !take(&at, ' '))))
                return -EINVAL;
        if (*at && !take_time(&at))
                return -EINVAL;
        return *at || at == copy || at[-1] == ' ' ? -EINVAL : 0;
}
