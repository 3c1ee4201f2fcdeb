/* SPDX-License-Identifier: Apache-2.0 */

#include <string.h>

#include "hosts-file.h"
#include "toml.h"

/* What containerd (core/remotes/docker/config/hosts.go, and remotes/docker/config/hosts.go before 2.0)
 * answers with an error in its log and the registry itself instead of the mirrors, and what one version
 * passes over that another heeds. */

struct check {
        const struct containerd_version *version;
        struct failure *failure;
};

static int refuse(const struct check *check, const char *where, const char *what)
{
        return failure_set(check->failure, -EINVAL, "HostsFileRefused", "%s%s%s", where, *where ? ": " : "",
                           what);
}

static int check_capabilities(const struct check *check, const char *where, const struct toml_value *value)
{
        /* An empty list is all of them. */
        if (value->kind != TOML_ARRAY || value->count == 0)
                return refuse(check, where, "capabilities is no list with something in it");
        for (size_t i = 0; i < value->count; i++) {
                const char *word = value->items[i]->kind == TOML_STRING ? value->items[i]->text : "";

                if (strcmp(word, "referrers") == 0 && !containerd_version_at_least(check->version, 2, 2))
                        return refuse(check, where,
                                      "\"referrers\" makes containerd before 2.2 ignore the file");
                if (strcmp(word, "pull") != 0 && strcmp(word, "resolve") != 0 && strcmp(word, "push") != 0 &&
                    strcmp(word, "referrers") != 0)
                        return refuse(check, where, "a capability that containerd does not know");
        }
        return 0;
}

static int check_file(const struct check *check, const char *where, const struct toml_value *value)
{
        if (value->kind != TOML_STRING || value->text[0] != '/')
                return refuse(check, where, "a file that is no absolute path");
        return 0;
}

static int check_files(const struct check *check, const char *where, const struct toml_value *value)
{
        if (value->kind != TOML_ARRAY)
                return check_file(check, where, value);
        if (value->count == 0)
                return refuse(check, where, "an empty list of files");
        for (size_t i = 0; i < value->count; i++) {
                int r = check_file(check, where, value->items[i]);

                if (r < 0)
                        return r;
        }
        return 0;
}

static int check_bool(const struct check *check, const char *where, const struct toml_value *value)
{
        return value->kind == TOML_BOOL ? 0 : refuse(check, where, "true or false is expected");
}

/* time.ParseDuration, of which whole milliseconds are enough. */
static int check_dial_timeout(const struct check *check, const char *where, const struct toml_value *value)
{
        if (!containerd_version_at_least(check->version, 2, 1))
                return refuse(check, where, "dial_timeout is passed over by containerd before 2.1");
        if (value->kind != TOML_STRING || strspn(value->text, "0123456789") == 0 ||
            strcmp(value->text + strspn(value->text, "0123456789"), "ms") != 0)
                return refuse(check, where, "dial_timeout is no number of milliseconds");
        return 0;
}

static int check_header(const struct check *check, const char *where, const struct toml_value *value)
{
        if (value->kind != TOML_TABLE)
                return refuse(check, where, "header is no table");
        for (size_t i = 0; i < value->count; i++)
                if (value->items[i]->kind != TOML_STRING)
                        return refuse(check, where, "a header that is no string");
        return 0;
}

static const struct {
        const char *name;
        int (*check)(const struct check *check, const char *where, const struct toml_value *value);
} host_keys[] = {
        { "ca", check_files },      { "capabilities", check_capabilities },
        { "client", check_file },   { "dial_timeout", check_dial_timeout },
        { "header", check_header }, { "override_path", check_bool },
};

static int check_host_key(const struct check *check, const char *where, const struct toml_value *value)
{
        for (size_t i = 0; i < ELEMENTS(host_keys); i++)
                if (strcmp(host_keys[i].name, value->key) == 0)
                        return host_keys[i].check(check, where, value);
        return refuse(check, where, "a key that containerd passes over");
}

static int check_url(const struct check *check, const char *where, const char *url)
{
        const char *allowed;

        return config_check_url(url, &allowed) < 0 ? refuse(check, where, "no URL that containerd reads") : 0;
}

static int check_host(const struct check *check, const struct toml_value *host)
{
        int r;

        r = check_url(check, host->key, host->key);
        if (r < 0)
                return r;
        /* containerd 2 looks for the lines of tables, and so passes over any other spelling. */
        if (host->kind != TOML_TABLE || !host->header)
                return refuse(check, host->key, "a host without a table line of its own");
        if (!toml_get(host, "capabilities"))
                return refuse(check, host->key, "a host without capabilities is asked for everything");
        for (size_t i = 0; i < host->count; i++) {
                r = check_host_key(check, host->key, host->items[i]);
                if (r < 0)
                        return r;
        }
        if (strncmp(host->key, "http://", 7) == 0 && (toml_get(host, "ca") || toml_get(host, "client")))
                return refuse(check, host->key, "certificates with http:// change how it is spoken to");
        return 0;
}

static int check_root_key(const struct check *check, const struct toml_value *value)
{
        int r = 0;

        if (strcmp(value->key, "server") == 0)
                return value->kind == TOML_STRING ? check_url(check, "server", value->text)
                                                  : refuse(check, "server", "no string");
        if (strcmp(value->key, "host") != 0)
                return check_host_key(check, "", value);
        if (value->kind != TOML_TABLE)
                return refuse(check, "host", "no table");
        for (size_t i = 0; r >= 0 && i < value->count; i++)
                r = check_host(check, value->items[i]);
        return r;
}

int hosts_file_check(const char *text, const struct containerd_version *version, struct failure *failure)
{
        const struct check check = { version, failure };
        _cleanup_(toml_freep) struct toml_value *document = NULL;
        int r;

        r = toml_parse(text, strlen(text), &document, failure);
        if (r < 0)
                return r;
        /* containerd before 1.7.32. */
        if (!toml_get(document, "host"))
                return refuse(&check, "", "a file without any [host] table is ignored");
        /* containerd gives the registry itself all capabilities when it is not named. */
        if (toml_get(document, "capabilities") && !toml_get(document, "server"))
                return refuse(&check, "", "capabilities without server are passed over");
        for (size_t i = 0; i < document->count; i++) {
                r = check_root_key(&check, document->items[i]);
                if (r < 0)
                        return r;
        }
        return 0;
}
