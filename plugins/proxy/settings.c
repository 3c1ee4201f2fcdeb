/* SPDX-License-Identifier: Apache-2.0 */

#include "settings.h"

#include <string.h>

#include "cidr.h"
#include "credentials.h"
#include "direct.h"
#include "files.h"

#define WRITTEN_BY "Written by capi-node-agent from /etc/capi-node-agent/proxy.json; changes here are lost.\n"

const char drop_in_text[] =
        "# Of capi-node-agent, for its capability \"proxy\"; without that there is no such file.\n"
        "[Service]\n"
        "EnvironmentFile=-" ENVIRONMENT_DIR "/%n\n";

/* Programs differ in which they read; curl and Go look for the small ones first. */
const char *const variable_names[VARIABLES] = { "HTTP_PROXY",  "http_proxy", "HTTPS_PROXY",
                                                "https_proxy", "NO_PROXY",   "no_proxy" };

const char *settings_value(const struct settings *settings, size_t variable)
{
        const char *const values[VARIABLES / 2] = { settings->http, settings->https, settings->direct };

        return values[variable / 2];
}

void settings_clear(struct settings *settings)
{
        for (size_t i = 0; i < settings->count; i++) {
                credentials_free((char *)settings->files[i].text);
                free((char *)settings->files[i].path);
        }
        free(settings->files);
        credentials_free(settings->http);
        credentials_free(settings->https);
        free(settings->direct);
        *settings = (struct settings){};
}

/* Takes both over. */
static int add_file(struct settings *settings, char *path, char *text, bool secret)
{
        struct owned_file *grown = reallocarray(settings->files, settings->count + 1, sizeof(*grown));

        if (!grown || !path || !text) {
                settings->files = grown ?: settings->files;
                free(path);
                credentials_free(text);
                return -ENOMEM;
        }
        settings->files = grown;
        grown[settings->count++] = (struct owned_file){
                .path = path, .text = text, .mode = secret ? 0600 : 0644, .shown = credentials_hide
        };
        return 0;
}

/* NAME="VALUE" for each variable: so it is understood by systemd for EnvironmentFile= and environment.d, and
 * by a shell, because no value has a letter that one of them takes for more (see check_proxy). */
static char *variables_text(const struct settings *settings, bool export)
{
        char *text = NULL;
        size_t size;
        FILE *stream = open_memstream(&text, &size);

        if (!stream)
                return NULL;
        fputs("# " WRITTEN_BY, stream);
        for (size_t i = 0; i < VARIABLES; i++)
                if (settings_value(settings, i))
                        fprintf(stream, "%s=\"%s\"\n", variable_names[i], settings_value(settings, i));
        for (size_t i = 0; export && i < VARIABLES; i++)
                if (settings_value(settings, i))
                        fprintf(stream, "export %s\n", variable_names[i]);
        if (fclose(stream) != 0) {
                free(text);
                return NULL;
        }
        return text;
}

/* apt.conf(5). It knows no networks and no domains, only hosts. */
static char *apt_text(const struct settings *settings, const struct config_strings *direct)
{
        char *text = NULL;
        size_t size;
        FILE *stream = open_memstream(&text, &size);

        if (!stream)
                return NULL;
        fputs("// " WRITTEN_BY, stream);
        if (settings->http)
                fprintf(stream, "Acquire::http::Proxy \"%s\";\n", settings->http);
        if (settings->https)
                fprintf(stream, "Acquire::https::Proxy \"%s\";\n", settings->https);
        for (size_t i = 0; i < direct->count; i++) {
                const char *host = direct->items[i];

                if (!strpbrk(host, "/*:") && host[0] != '.')
                        fprintf(stream,
                                "Acquire::http::Proxy::%s \"DIRECT\";\nAcquire::https::Proxy::%s "
                                "\"DIRECT\";\n",
                                host, host);
        }
        if (fclose(stream) != 0) {
                free(text);
                return NULL;
        }
        return text;
}

/* The same drop-in comes with the package for the units that every node has. */
static bool is_shipped(const char *root, const char *unit)
{
        static const char *const places[] = { "/usr/lib/systemd/system", "/lib/systemd/system" };

        for (size_t i = 0; i < ELEMENTS(places); i++) {
                _cleanup_free_ char *name = NULL, *path = NULL, *text = NULL;
                size_t size;

                if (asprintf(&name, "%s/%s.d/" DROP_IN_NAME, places[i], unit) < 0) {
                        name = NULL;
                        return false;
                }
                path = path_under(root, name);
                if (path && file_read(path, 4096, &text, &size) >= 0 && strcmp(text, drop_in_text) == 0)
                        return true;
        }
        return false;
}

static char *unit_path(const char *format, const char *unit)
{
        char *path;

        return asprintf(&path, "%s/%s", format, unit) < 0 ? NULL : path;
}

static int add_drop_in(struct settings *settings, const char *unit)
{
        char *path;

        if (asprintf(&path, "/etc/systemd/system/%s.d/" DROP_IN_NAME, unit) < 0)
                return -ENOMEM;
        settings->n_drop_ins++;
        return add_file(settings, path, strdup(drop_in_text), false);
}

static int add_files(struct settings *settings, const char *root, const struct proxy_config *config)
{
        bool secret = config->credentials_file;
        int r = 0;

        /* Only root may look into the directory; of what is in it nobody needs to know more. */
        for (size_t i = 0; r >= 0 && i < config->units.count; i++)
                r = add_file(settings, unit_path(ENVIRONMENT_DIR, config->units.items[i]),
                             variables_text(settings, false), true);
        for (size_t i = 0; r >= 0 && i < config->units.count; i++)
                if (!is_shipped(root, config->units.items[i]))
                        r = add_drop_in(settings, config->units.items[i]);
        if (r >= 0 && config->environment_d)
                r = add_file(settings, strdup("/etc/environment.d/60-capi-node-agent-proxy.conf"),
                             variables_text(settings, false), secret);
        if (r >= 0 && config->profile_d)
                r = add_file(settings, strdup("/etc/profile.d/capi-node-agent-proxy.sh"),
                             variables_text(settings, true), secret);
        if (r >= 0 && config->apt)
                r = add_file(settings, strdup("/etc/apt/apt.conf.d/95capi-node-agent-proxy"),
                             apt_text(settings, &config->no_proxy), secret);
        return r;
}

static int add_text(struct hasher *hasher, const char *text)
{
        return hasher_add(hasher, text ?: "", strlen(text ?: "") + 1);
}

static int finish(struct hasher *hasher, char ret[static SHA256_TEXT_SIZE])
{
        uint8_t digest[SHA256_SIZE];
        int r;

        r = hasher_finish(hasher, digest);
        if (r >= 0)
                digest_format(digest, ret);
        return r;
}

static int add_significant(struct settings *settings, const struct proxy_config *config)
{
        _cleanup_(hasher_freep) struct hasher *hasher = NULL;
        int r;

        r = hasher_new(&hasher);
        if (r >= 0)
                r = add_text(hasher, settings->http);
        if (r >= 0)
                r = add_text(hasher, settings->https);
        for (size_t i = 0; r >= 0 && i < config->no_proxy.count; i++)
                r = add_text(hasher, config->no_proxy.items[i]);
        return r < 0 ? r : finish(hasher, settings->significant);
}

/* All have the same text. */
static int add_drop_ins_digest(struct settings *settings)
{
        _cleanup_(hasher_freep) struct hasher *hasher = NULL;
        int r;

        r = hasher_new(&hasher);
        for (size_t i = 0; r >= 0 && i < settings->count; i++)
                if (strstr(settings->files[i].path, "/" DROP_IN_NAME))
                        r = add_text(hasher, settings->files[i].path);
        return r < 0 ? r : finish(hasher, settings->drop_ins);
}

int settings_make(const char *root, const struct proxy_config *config, struct settings *ret,
                  struct failure *failure)
{
        _cleanup_credentials_ *credentials = NULL;
        _cleanup_settings_ settings = {};
        int r;

        if (config->credentials_file) {
                r = credentials_load(root, config->credentials_file, &credentials, failure);
                if (r < 0)
                        return r;
        }
        if (config->http_proxy && !(settings.http = credentials_in_url(config->http_proxy, credentials)))
                return -ENOMEM;
        if (config->https_proxy && !(settings.https = credentials_in_url(config->https_proxy, credentials)))
                return -ENOMEM;
        r = direct_list(root, &config->no_proxy, &settings.direct);
        if (r < 0)
                return failure_set(failure, r, "AddressesUnreadable", "cannot read the node's addresses: %s",
                                   strerror(-r));
        r = add_files(&settings, root, config);
        if (r >= 0)
                r = add_significant(&settings, config);
        if (r >= 0)
                r = add_drop_ins_digest(&settings);
        if (r < 0)
                return r;
        *ret = settings;
        settings = (struct settings){};
        return 0;
}
