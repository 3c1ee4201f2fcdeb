/* SPDX-License-Identifier: Apache-2.0 */

#include "s3-credentials.h"

#include <stdbool.h>
#include <string.h>

#include "files.h"

#define FILE_SIZE_MAX (16 * 1024) /* a session token has some kilobytes */
#define REASON        "CredentialsUnreadable"

static void forget(char *secret)
{
        if (secret)
                explicit_bzero(secret, strlen(secret));
        free(secret);
}

void s3_credentials_clear(struct s3_credentials *credentials)
{
        forget(credentials->access_key);
        forget(credentials->secret_key);
        forget(credentials->session_token);
        forget(credentials->proxy_user);
        forget(credentials->proxy_password);
        *credentials = (struct s3_credentials){};
}

/* Cuts blanks off both ends, in place. */
static char *trim(char *text)
{
        size_t size;

        text += strspn(text, " \t");
        size = strlen(text);
        while (size > 0 && strchr(" \t\r", text[size - 1]))
                size--;
        text[size] = '\0';
        return text;
}

/* What goes into a header, and into no other line of it. */
static bool is_value(const char *value)
{
        for (const char *p = value; *p; p++)
                if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7F)
                        return false;
        return value[0] != '\0';
}

static int take_value(struct s3_credentials *credentials, const char *path, unsigned number, char *line,
                      struct failure *failure)
{
        const struct {
                const char *name;
                char **value;
        } keys[] = { { "aws_access_key_id", &credentials->access_key },
                     { "aws_secret_access_key", &credentials->secret_key },
                     { "aws_session_token", &credentials->session_token },
                     { "proxy_user", &credentials->proxy_user },
                     { "proxy_password", &credentials->proxy_password } };
        char *equals = strchr(line, '='), *name, *value;

        if (!equals)
                return failure_set(failure, -EINVAL, REASON, "%s: line %u is not of the form KEY = VALUE",
                                   path, number);
        *equals = '\0';
        name = trim(line);
        value = trim(equals + 1);
        for (size_t i = 0; i < ELEMENTS(keys); i++) {
                if (strcmp(keys[i].name, name) != 0)
                        continue;
                if (*keys[i].value || !is_value(value))
                        return failure_set(failure, -EINVAL, REASON,
                                           "%s: line %u: %s is %s; one line with one word is expected", path,
                                           number, name, *keys[i].value ? "there twice" : "not one word");
                *keys[i].value = strdup(value);
                return *keys[i].value ? 0 : -ENOMEM;
        }
        return failure_set(failure, -EINVAL, REASON,
                           "%s: line %u has an unknown key; known are aws_access_key_id, "
                           "aws_secret_access_key, aws_session_token, proxy_user and proxy_password",
                           path, number);
}

static int parse(char *text, const char *path, struct s3_credentials *credentials, struct failure *failure)
{
        unsigned sections = 0, number = 1;
        int r;

        for (char *line = strsep(&text, "\n"); line; line = strsep(&text, "\n"), number++) {
                line = trim(line);
                if (line[0] == '\0' || line[0] == '#' || line[0] == ';')
                        continue;
                if (line[0] != '[')
                        r = take_value(credentials, path, number, line, failure);
                else
                        r = sections++ == 0 ? 0
                                            : failure_set(failure, -EINVAL, REASON,
                                                          "%s: line %u begins a second section; which one is "
                                                          "meant would be a guess",
                                                          path, number);
                if (r < 0)
                        return r;
        }
        if (!credentials->access_key || !credentials->secret_key)
                return failure_set(failure, -EINVAL, REASON,
                                   "%s lacks aws_access_key_id or aws_secret_access_key", path);
        if (!credentials->proxy_user != !credentials->proxy_password)
                return failure_set(failure, -EINVAL, REASON,
                                   "%s has one of proxy_user and proxy_password, without the other", path);
        return 0;
}

int s3_credentials_load(const char *path, struct s3_credentials *ret, struct failure *failure)
{
        _cleanup_s3_credentials_ credentials = {};
        _cleanup_failure_ found = {};
        char *text;
        size_t size;
        int r;

        r = file_read_secret(path, FILE_SIZE_MAX, &text, &size, &found);
        if (r < 0)
                return failure_set(failure, r, REASON, "cannot read the credentials: %s%s%s",
                                   found.message ?: path, found.message ? "" : ": ",
                                   found.message ? "" : strerror(-r));
        r = strlen(text) == size ? parse(text, path, &credentials, failure)
                                 : failure_set(failure, -EINVAL, REASON, "%s holds a NUL byte", path);
        explicit_bzero(text, size);
        free(text);
        if (r < 0)
                return r;

        *ret = credentials;
        credentials = (struct s3_credentials){};
        return 0;
}
