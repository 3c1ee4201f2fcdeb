/* SPDX-License-Identifier: Apache-2.0 */

#include "config.h"

#include <limits.h>
#include <string.h>

#include "calendar.h"

/* Checks for strings that several capabilities need. */

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGITS  "0123456789"

static bool has_control(const char *value)
{
        for (; *value; value++)
                if ((unsigned char)*value < 0x20 || *value == 0x7F)
                        return true;
        return false;
}

int config_check_path(const char *value, const char **ret_allowed)
{
        *ret_allowed = "an absolute path without \"..\"";
        if (value[0] != '/' || strlen(value) >= PATH_MAX || has_control(value))
                return -EINVAL;

        for (const char *part = value; part; part = strchr(part, '/')) {
                part += strspn(part, "/");
                if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || part[2] == '\0'))
                        return -EINVAL;
        }
        return 0;
}

/* "example.org", "192.0.2.1", "[2001:db8::1]", each with ":PORT" or without. */
static bool is_authority(const char *text, size_t length)
{
        size_t host, digits;
        unsigned port = 0;

        if (length > 0 && text[0] == '[') {
                const char *end = memchr(text, ']', length);

                if (!end || strspn(text + 1, DIGITS "abcdefABCDEF:.") != (size_t)(end - text - 1) ||
                    end - text < 3)
                        return false;
                host = (size_t)(end - text) + 1;
        } else {
                host = strspn(text, LETTERS DIGITS "-._");
                if (host == 0 || host > 253 || text[0] == '.' || text[0] == '-')
                        return false;
        }
        if (host >= length)
                return host == length;
        if (text[host] != ':')
                return false;

        digits = length - host - 1;
        if (digits == 0 || digits > 5 || strspn(text + host + 1, DIGITS) != digits)
                return false;
        for (size_t i = 0; i < digits; i++)
                port = port * 10 + (unsigned)(text[host + 1 + i] - '0');
        return port >= 1 && port <= UINT16_MAX;
}

int config_check_url(const char *value, const char **ret_allowed)
{
        const char *host;

        *ret_allowed = "a URL like \"https://example.org:8443/path\" (http or https, no user or password)";
        if (strncmp(value, "https://", 8) == 0)
                host = value + 8;
        else if (strncmp(value, "http://", 7) == 0)
                host = value + 7;
        else
                return -EINVAL;

        if (!is_authority(host, strcspn(host, "/?#")))
                return -EINVAL;
        for (const char *p = host; *p; p++)
                if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7F || strchr("\"<>\\^`{|}", *p))
                        return -EINVAL;
        return 0;
}

int config_check_calendar(const char *value, const char **ret_allowed)
{
        *ret_allowed =
                "a systemd.time(7) calendar in whole seconds, such as \"daily\", \"*-*-* 00/2:00:00\" or "
                "\"Mon..Fri 22:30 UTC\"";
        return calendar_check(value);
}

int config_check_name(const char *value, const char **ret_allowed)
{
        size_t length = strlen(value);

        *ret_allowed = "a name of at most 63 letters, digits, \".\", \"_\" and \"-\" that starts with a "
                       "letter or digit";
        if (length == 0 || length > 63 || strspn(value, LETTERS DIGITS "._-") != length)
                return -EINVAL;
        return strspn(value, LETTERS DIGITS) > 0 ? 0 : -EINVAL;
}
