/* SPDX-License-Identifier: Apache-2.0 */

#include "hosts-file.h"

#include <inttypes.h>
#include <string.h>

#include "toml.h"

/* A name that never resolves (RFC 6761): the default has no one registry that could stand here. */
#define NOBODY "https://upstream.invalid"

static void print_key(FILE *stream, const char *key, const char *value)
{
        fprintf(stream, "%s = ", key);
        toml_write_string(stream, value);
        fputc('\n', stream);
}

/* `ca` adds to the authorities of the system, and is read for each pull. */
static void print_authorities(FILE *stream, const char *own, const char *shared)
{
        const char *separator = "";

        if (!own && !shared)
                return;
        fputs("ca = [", stream);
        if (own) {
                toml_write_string(stream, own);
                separator = ", ";
        }
        if (shared) {
                fputs(separator, stream);
                toml_write_string(stream, shared);
        }
        fputs("]\n", stream);
}

/* Before 2.2 the word "referrers" makes containerd ignore the file. */
static bool is_understood(const char *capability, const struct containerd_version *version)
{
        return strcmp(capability, "referrers") != 0 || containerd_version_at_least(version, 2, 2);
}

static bool is_of_use(const struct mirror_endpoint *endpoint, const struct containerd_version *version)
{
        for (size_t i = 0; i < endpoint->capabilities.count; i++)
                if (is_understood(endpoint->capabilities.items[i], version))
                        return true;
        return false;
}

static void print_capabilities(FILE *stream, const struct mirror_endpoint *endpoint,
                               const struct containerd_version *version)
{
        const char *separator = "";

        fputs("capabilities = [", stream);
        for (size_t i = 0; i < endpoint->capabilities.count; i++) {
                if (!is_understood(endpoint->capabilities.items[i], version))
                        continue;
                fputs(separator, stream);
                toml_write_string(stream, endpoint->capabilities.items[i]);
                separator = ", ";
        }
        fputs("]\n", stream);
}

/* As its own table, and its headers directly behind: containerd 2 takes the order from the tables' headers.
 */
static void print_host(FILE *stream, const struct mirror_plan *plan, const struct mirror_host *host,
                       const struct containerd_version *version)
{
        const struct mirror_endpoint *endpoint = host->endpoint;
        bool tls = strncmp(endpoint->url, "https://", 8) == 0;

        fputs("\n[host.", stream);
        toml_write_string(stream, endpoint->url);
        fputs("]\n", stream);
        print_capabilities(stream, endpoint, version);
        if (endpoint->override_path)
                fputs("override_path = true\n", stream);
        if (tls)
                print_authorities(stream, host->ca_path, plan->authorities_path);
        if (host->client_path)
                print_key(stream, "client", host->client_path);
        if (endpoint->dial_timeout_usec > 0 && containerd_version_at_least(version, 2, 1))
                fprintf(stream, "dial_timeout = \"%" PRIu64 "ms\"\n", endpoint->dial_timeout_usec / 1000);
        if (host->n_headers == 0)
                return;
        fputs("\n[host.", stream);
        toml_write_string(stream, endpoint->url);
        fputs(".header]\n", stream);
        for (size_t i = 0; i < host->n_headers; i++) {
                toml_write_string(stream, host->headers[i].name);
                fputs(" = ", stream);
                toml_write_string(stream, host->headers[i].value);
                fputc('\n', stream);
        }
}

/* containerd puts the registry itself behind the hosts in any case: without `server` with all capabilities,
 * so that only both keys together keep it from being asked. What is left, push, is no part of a pull. */
static int print_upstream(FILE *stream, const struct mirror_plan *plan, const struct mirror_chain *chain)
{
        _cleanup_free_ char *server = chain->host ? hosts_file_upstream(chain->host) : strdup(NOBODY);

        if (!server)
                return -ENOMEM;
        if (!chain->fallback) {
                fputc('\n', stream);
                print_key(stream, "server", server);
                fputs("capabilities = [\"push\"]\n", stream);
        } else if (plan->authorities_path) {
                fputc('\n', stream);
                print_authorities(stream, NULL, plan->authorities_path);
        }
        return 0;
}

/* As one host among others, when some are to be asked behind it. */
static int print_upstream_host(FILE *stream, const struct mirror_plan *plan, const struct mirror_chain *chain)
{
        _cleanup_free_ char *url = hosts_file_upstream(chain->host);

        if (!url)
                return -ENOMEM;
        fputs("\n[host.", stream);
        toml_write_string(stream, url);
        fputs("]\ncapabilities = [\"pull\", \"resolve\", \"push\"]\n", stream);
        print_authorities(stream, NULL, plan->authorities_path);
        return 0;
}

static int print_hosts(FILE *stream, const struct mirror_plan *plan, const struct mirror_chain *chain,
                       const struct containerd_version *version)
{
        bool before = chain->fallback && chain->host && chain->order.before_upstream < chain->n_hosts;
        size_t printed = 0;

        for (size_t i = 0; i < chain->n_hosts; i++) {
                const struct mirror_host *host = chain->hosts[chain->order.hosts[i]];

                if (before && i == chain->order.before_upstream &&
                    print_upstream_host(stream, plan, chain) < 0)
                        return -ENOMEM;
                /* An empty list of capabilities would be all of them. */
                if (!is_of_use(host->endpoint, version))
                        continue;
                print_host(stream, plan, host, version);
                printed++;
        }
        /* Without any host table containerd before 1.7.32 ignores the file. */
        if (printed == 0 && !before)
                fputs("\n[host]\n", stream);
        return 0;
}

char *hosts_file_render(const struct mirror_plan *plan, const struct mirror_chain *chain,
                        const struct containerd_version *version)
{
        _cleanup_free_ char *text = NULL;
        size_t size;
        FILE *stream;
        int r;

        stream = open_memstream(&text, &size);
        if (!stream)
                return NULL;
        fputs(HOSTS_FILE_MARK "\n", stream);
        r = print_upstream(stream, plan, chain);
        if (r >= 0)
                r = print_hosts(stream, plan, chain, version);
        if (ferror(stream))
                r = -ENOMEM;
        if (fclose(stream) != 0 || r < 0)
                return NULL;
        return TAKE_PTR(text);
}

/* Whether a line opens a table of headers, or another one. */
static bool opens_headers(const char *line, size_t length)
{
        static const char end[] = ".header]";

        return length > strlen(end) && memcmp(line + length - strlen(end), end, strlen(end)) == 0;
}

char *hosts_file_shown(const char *text)
{
        _cleanup_free_ char *shown = NULL;
        bool headers = false;
        FILE *stream;
        size_t size;

        stream = open_memstream(&shown, &size);
        if (!stream)
                return NULL;
        while (*text) {
                size_t length = strcspn(text, "\n");
                const char *equals = memmem(text, length, " = ", 3);

                if (*text == '[')
                        headers = opens_headers(text, length);
                if (headers && *text != '[' && length > 0)
                        fprintf(stream, "%.*s = (not shown)", equals ? (int)(equals - text) : 0, text);
                else
                        fwrite(text, 1, length, stream);
                text += length;
                if (*text == '\n')
                        fputc(*text++, stream);
        }
        return fclose(stream) == 0 ? TAKE_PTR(shown) : NULL;
}

char *hosts_file_directory(const char *host)
{
        const char *colon = host ? strrchr(host, ':') : NULL;
        char *directory;

        if (!colon || colon == host)
                return strdup(host ?: "_default");
        return asprintf(&directory, "%.*s_%s_", (int)(colon - host), host, colon + 1) < 0 ? NULL : directory;
}

char *hosts_file_path(const char *certs_d, const char *host)
{
        _cleanup_free_ char *directory = hosts_file_directory(host);
        char *path;

        return directory && asprintf(&path, "%s/%s/hosts.toml", certs_d, directory) >= 0 ? path : NULL;
}

char *hosts_file_upstream(const char *host)
{
        char *url;

        if (strcmp(host, "docker.io") == 0)
                host = "registry-1.docker.io";
        return asprintf(&url, "https://%s", host) < 0 ? NULL : url;
}
