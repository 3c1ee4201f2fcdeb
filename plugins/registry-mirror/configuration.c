/* SPDX-License-Identifier: Apache-2.0 */

#include "configuration.h"

#include <string.h>
#include <strings.h>

#define PEM_MAX (128 * 1024)

/* ---- an endpoint ---- */

/* It becomes the name of a TOML table, and containerd puts a path behind it. */
static int check_endpoint_url(const char *value, const char **ret_allowed)
{
        if (config_check_url(value, ret_allowed) < 0)
                return -EINVAL;
        *ret_allowed = "a URL without query, fragment, \".\" and \"..\", such as "
                       "\"https://mirror.example.org/v2/dockerhub\"";
        if (strpbrk(value, "?#%") || strstr(value, "/./") || strstr(value, "/../"))
                return -EINVAL;
        return 0;
}

/* What containerd knows (core/remotes/docker/config/hosts.go); another word makes it ignore the whole file.
 */
static int check_capability(const char *value, const char **ret_allowed)
{
        *ret_allowed = "\"pull\", \"resolve\", \"push\" or \"referrers\"";
        return strcmp(value, "pull") == 0 || strcmp(value, "resolve") == 0 || strcmp(value, "push") == 0 ||
                               strcmp(value, "referrers") == 0
                       ? 0
                       : -EINVAL;
}

static const struct config_key endpoint_keys[] = {
        { .name = "url",
          .help = "Where it is. Unless overridePath is true, /v2 is put behind a path that does not end so.",
          .kind = CONFIG_STRING,
          .offset = offsetof(struct mirror_endpoint, url),
          .required = true,
          .maximum = 1024,
          .check = check_endpoint_url },
        { .name = "overridePath",
          .help = "Whether the path of the URL is the API's root as it stands (proxy caches of Harbor).",
          .kind = CONFIG_BOOL,
          .offset = offsetof(struct mirror_endpoint, override_path),
          .fallback = "false" },
        { .name = "capabilities",
          .help = "What it is asked for: resolve (tags), pull (content), push, referrers.",
          .kind = CONFIG_STRINGS,
          .offset = offsetof(struct mirror_endpoint, capabilities),
          .fallback = "[\"pull\", \"resolve\"]",
          .minimum = 1,
          .maximum = 4,
          .check = check_capability },
        { .name = "ca",
          .help = "Authorities that may have issued its certificate, besides the system's, as PEM.",
          .kind = CONFIG_STRING,
          .offset = offsetof(struct mirror_endpoint, ca),
          .maximum = PEM_MAX },
        { .name = "caFile",
          .help = "The same in a file; followed when it changes.",
          .kind = CONFIG_STRING,
          .offset = offsetof(struct mirror_endpoint, ca_file),
          .check = config_check_path },
        { .name = "certFile",
          .help = "The client certificate, with its chain; followed when it changes.",
          .kind = CONFIG_STRING,
          .offset = offsetof(struct mirror_endpoint, cert_file),
          .check = config_check_path },
        { .name = "keyFile",
          .help = "Its private key, readable by root alone.",
          .kind = CONFIG_STRING,
          .offset = offsetof(struct mirror_endpoint, key_file),
          .check = config_check_path },
        { .name = "headersFile",
          .help = "A file, readable by root alone, of headers to send, one \"Name: value\" in a line.",
          .kind = CONFIG_STRING,
          .offset = offsetof(struct mirror_endpoint, headers_file),
          .check = config_check_path },
        { .name = "dialTimeout",
          .help = "How long a connection may take; containerd heeds it from 2.1 on, earlier ones wait 30s.",
          .kind = CONFIG_DURATION,
          .offset = offsetof(struct mirror_endpoint, dial_timeout_usec),
          .minimum = 100000,
          .maximum = 60000000 },
        {},
};

static int check_endpoint(const void *object, const char *pointer, struct failure *failure)
{
        const struct mirror_endpoint *endpoint = object;
        bool tls = endpoint->ca || endpoint->ca_file || endpoint->cert_file;

        if (endpoint->ca && endpoint->ca_file)
                return failure_set(failure, -EINVAL, "InvalidConfiguration",
                                   "%s: has both; give one of \"ca\" and \"caFile\"", pointer);
        if (!endpoint->cert_file != !endpoint->key_file)
                return failure_set(failure, -EINVAL, "InvalidConfiguration",
                                   "%s: \"certFile\" and \"keyFile\" go together", pointer);
        /* containerd would speak TLS to it, and without TLS when that fails. */
        if (tls && strncmp(endpoint->url, "http://", 7) == 0)
                return failure_set(failure, -EINVAL, "InvalidConfiguration",
                                   "%s: certificates do not go with an http:// URL; make it https://",
                                   pointer);
        for (size_t i = 0; i < endpoint->capabilities.count; i++)
                for (size_t j = 0; j < i; j++)
                        if (strcmp(endpoint->capabilities.items[i], endpoint->capabilities.items[j]) == 0)
                                return failure_set(failure, -EINVAL, "InvalidConfiguration",
                                                   "%s/capabilities/%zu: \"%s\" stands there twice", pointer,
                                                   i, endpoint->capabilities.items[i]);
        return 0;
}

static const struct config_type endpoint_type = {
        .name = "endpoint",
        .help = "A place that has a registry's images.",
        .size = sizeof(struct mirror_endpoint),
        .keys = endpoint_keys,
        .check = check_endpoint,
};

/* ---- a registry ---- */

static const struct config_key registry_keys[] = {
        { .name = "fallback",
          .help = "Whether the registry itself is asked when no endpoint has the image; false: it is never "
                  "contacted.",
          .kind = CONFIG_BOOL,
          .offset = offsetof(struct mirror_registry, fallback),
          .required = true },
        { .name = "endpoints",
          .help = "Who is asked, in this order.",
          .kind = CONFIG_OBJECTS,
          .offset = offsetof(struct mirror_registry, endpoints),
          .required = true,
          .minimum = 1,
          .maximum = MIRROR_ENDPOINTS_MAX,
          .type = &endpoint_type },
        {},
};

static size_t url_length(const char *url)
{
        size_t length = strlen(url);

        while (length > 0 && url[length - 1] == '/')
                length--;
        return length;
}

bool mirror_same_url(const char *a, const char *b)
{
        return url_length(a) == url_length(b) && strncmp(a, b, url_length(a)) == 0;
}

/* A host that stands twice makes containerd ignore the file; and what may resolve no tag, pulls none. */
static int check_registry(const void *object, const char *pointer, struct failure *failure)
{
        const struct mirror_registry *registry = object;
        bool resolves = registry->fallback, pulls = registry->fallback;

        for (size_t i = 0; i < registry->endpoints.count; i++) {
                const struct mirror_endpoint *endpoint = mirror_endpoint(registry, i);

                for (size_t j = 0; j < i; j++)
                        if (mirror_same_url(endpoint->url, mirror_endpoint(registry, j)->url))
                                return failure_set(failure, -EINVAL, "InvalidConfiguration",
                                                   "%s/endpoints/%zu/url: \"%s\" stands in /endpoints/%zu "
                                                   "already",
                                                   pointer, i, endpoint->url, j);
                resolves |= mirror_endpoint_can(endpoint, "resolve");
                pulls |= mirror_endpoint_can(endpoint, "pull");
        }
        if (!resolves || !pulls)
                return failure_set(failure, -EINVAL, "InvalidConfiguration",
                                   "%s: no endpoint has the capability \"%s\" and \"fallback\" is false, so "
                                   "that no image could be pulled",
                                   pointer, resolves ? "pull" : "resolve");
        return 0;
}

static const struct config_type registry_type = {
        .name = "registry",
        .help = "A registry, and who is asked instead of it.",
        .size = sizeof(struct mirror_registry),
        .keys = registry_keys,
        .check = check_registry,
};

/* ---- the whole ---- */

#define HOST_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-"

static bool is_port(const char *text)
{
        return strlen(text) >= 1 && strlen(text) <= 5 && strspn(text, "0123456789") == strlen(text) &&
               text[0] != '0' && strtoul(text, NULL, 10) <= UINT16_MAX;
}

/* The first part of an image's name, when it is a registry and no part of a path on docker.io
 * (distribution/reference: a dot, a colon, or localhost). */
static int check_host(const char *value, const char **ret_allowed)
{
        size_t length = strspn(value, HOST_CHARACTERS);
        const char *end = value + length;

        *ret_allowed = "the registry as it stands in image names, such as \"docker.io\" or "
                       "\"registry.example.org:5000\"; all others are \"default\" beside \"registries\"";
        if (value[0] == '[') {
                length = strspn(value + 1, "0123456789abcdefABCDEF:") + 1;
                end = value + length;
                if (length < 3 || *end++ != ']')
                        return -EINVAL;
        } else if (length == 0 || length > 253 || value[0] == '.' || value[0] == '-' ||
                   (!strchr(value, '.') && *end != ':' && strcmp(value, "localhost") != 0)) {
                return -EINVAL;
        }
        if (*end == ':' ? !is_port(end + 1) : *end != '\0')
                return -EINVAL;
        if (strcasecmp(value, "index.docker.io") == 0 || strcasecmp(value, "registry-1.docker.io") == 0) {
                *ret_allowed = "looked up by containerd for images of docker.io: call it \"docker.io\"";
                return -EINVAL;
        }
        return 0;
}

static const struct config_key probe_keys[] = {
        { .name = "enabled",
          .help = "Whether the endpoints are asked for /v2/ now and then.",
          .kind = CONFIG_BOOL,
          .offset = offsetof(struct mirror_probe_config, enabled),
          .fallback = "true" },
        { .name = "interval",
          .help = "How often.",
          .kind = CONFIG_DURATION,
          .offset = offsetof(struct mirror_probe_config, interval_usec),
          .fallback = "\"30s\"",
          .minimum = 1000000,
          .maximum = 3600000000 },
        { .name = "settledInterval",
          .help = "How often who has answered three times in a row; the interval, where that is longer.",
          .kind = CONFIG_DURATION,
          .offset = offsetof(struct mirror_probe_config, settled_interval_usec),
          .fallback = "\"5m\"",
          .minimum = 1000000,
          .maximum = 3600000000 },
        { .name = "timeout",
          .help = "How long an answer may take.",
          .kind = CONFIG_DURATION,
          .offset = offsetof(struct mirror_probe_config, timeout_usec),
          .fallback = "\"5s\"",
          .minimum = 100000,
          .maximum = 60000000 },
        {},
};

static const struct config_type probe_type = {
        .name = "probe",
        .help = "Whether the endpoints answer.",
        .size = sizeof(struct mirror_probe_config),
        .keys = probe_keys,
};

static const struct config_key containerd_keys[] = {
        { .name = "configFile",
          .help = "containerd's own configuration, which is read and never changed.",
          .kind = CONFIG_STRING,
          .offset = offsetof(struct mirror_containerd_config, config_file),
          .fallback = "\"/etc/containerd/config.toml\"",
          .check = config_check_path },
        { .name = "socket",
          .help = "Where containerd tells its version.",
          .kind = CONFIG_STRING,
          .offset = offsetof(struct mirror_containerd_config, socket),
          .fallback = "\"/run/containerd/containerd.sock\"",
          .maximum = 107, /* sun_path of unix(7) */
          .check = config_check_path },
        {},
};

static const struct config_type containerd_type = {
        .name = "containerd",
        .help = "Where containerd is.",
        .size = sizeof(struct mirror_containerd_config),
        .keys = containerd_keys,
};

static const struct config_key keys[] = {
        { .name = "registries",
          .help = "Registries by their name, as it stands in image names.",
          .kind = CONFIG_MAP,
          .offset = offsetof(struct mirror_config, registries),
          .maximum = MIRROR_REGISTRIES_MAX,
          .type = &registry_type,
          .check = check_host },
        { .name = "default",
          .help = "All other registries; its endpoints are asked behind those of the named ones, too.",
          .kind = CONFIG_OBJECT,
          .offset = offsetof(struct mirror_config, others),
          .type = &registry_type },
        { .name = "probe",
          .help = "Whether the endpoints answer.",
          .kind = CONFIG_OBJECT,
          .offset = offsetof(struct mirror_config, probe),
          .type = &probe_type },
        { .name = "demoteDead",
          .help = "Whether an endpoint that does not answer is asked behind those that do.",
          .kind = CONFIG_BOOL,
          .offset = offsetof(struct mirror_config, demote_dead),
          .fallback = "false" },
        { .name = "allowRestart",
          .help = "Whether containerd may be restarted, if it must be, when the kubelet runs already.",
          .kind = CONFIG_BOOL,
          .offset = offsetof(struct mirror_config, allow_restart),
          .fallback = "false" },
        { .name = "containerd",
          .help = "Where containerd is.",
          .kind = CONFIG_OBJECT,
          .offset = offsetof(struct mirror_config, containerd),
          .type = &containerd_type },
        {},
};

static int check_all(const void *object, const char *pointer, struct failure *failure)
{
        const struct mirror_config *config = object;

        for (size_t i = 0; i < config->registries.count; i++)
                for (size_t j = 0; j < i; j++)
                        if (strcasecmp(mirror_registry(config, i)->host, mirror_registry(config, j)->host) ==
                            0)
                                return failure_set(failure, -EINVAL, "InvalidConfiguration",
                                                   "%s/registries: \"%s\" and \"%s\" are one registry",
                                                   pointer, mirror_registry(config, j)->host,
                                                   mirror_registry(config, i)->host);
        return 0;
}

const struct config_type mirror_config_type = {
        .name = "registry-mirror",
        .help = "Has containerd pull images from mirrors.",
        .size = sizeof(struct mirror_config),
        .keys = keys,
        .check = check_all,
};

const struct mirror_registry *mirror_registry(const struct mirror_config *config, size_t i)
{
        return (const struct mirror_registry *)config->registries.items + i;
}

const struct mirror_endpoint *mirror_endpoint(const struct mirror_registry *registry, size_t i)
{
        return (const struct mirror_endpoint *)registry->endpoints.items + i;
}

bool mirror_endpoint_can(const struct mirror_endpoint *endpoint, const char *capability)
{
        for (size_t i = 0; i < endpoint->capabilities.count; i++)
                if (strcmp(endpoint->capabilities.items[i], capability) == 0)
                        return true;
        return false;
}
