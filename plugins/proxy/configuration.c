/* SPDX-License-Identifier: Apache-2.0 */

#include "configuration.h"

#include <string.h>

#include "cidr.h"
#include "quantity.h"

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGITS  "0123456789"

/* These go into files of systemd, of shells and of apt: nothing that one of them would read as more than a
 * letter. */
static int check_proxy(const char *value, const char **ret_allowed)
{
        const char *ignored, *rest;

        *ret_allowed = "http://HOST:PORT or https://HOST:PORT, without a user (see credentialsFile) and path";
        if (config_check_url(value, &ignored) < 0 || strspn(value, LETTERS DIGITS "-._:/[]") != strlen(value))
                return -EINVAL;
        rest = strchr(strstr(value, "://") + 3, '/');
        return !rest || rest[1] == '\0' ? 0 : -EINVAL;
}

static bool is_port(const char *text)
{
        size_t length = strspn(text, DIGITS);

        return length > 0 && length <= 5 && text[length] == '\0' && strtoul(text, NULL, 10) >= 1 &&
               strtoul(text, NULL, 10) <= UINT16_MAX;
}

static bool is_name(const char *text, size_t length)
{
        return length > 0 && length <= 253 && text[0] != '-' && text[0] != '.' &&
               strspn(text, LETTERS DIGITS "-._") >= length;
}

/* What Go's golang.org/x/net/http/httpproxy understands, which containerd and the kubelet are built with. */
static int check_direct(const char *value, const char **ret_allowed)
{
        const char *name = value, *colon;
        struct cidr cidr;

        *ret_allowed =
                "\"*\", an address or network, or a host or domain (example.org, .example.org) with or "
                "without :PORT";
        if (strcmp(value, "*") == 0 || cidr_parse(value, &cidr) >= 0)
                return 0;
        if (strncmp(name, "*.", 2) == 0)
                name += 2;
        else if (*name == '.')
                name++;
        colon = strchr(name, ':');
        if (colon && !is_port(colon + 1))
                return -EINVAL;
        return is_name(name, colon ? (size_t)(colon - name) : strlen(name)) ? 0 : -EINVAL;
}

static int check_unit(const char *value, const char **ret_allowed)
{
        size_t length = strlen(value), suffix = strlen(".service");

        *ret_allowed = "the name of a service, such as \"containerd.service\"";
        if (length <= suffix || length > 128 || strcmp(value + length - suffix, ".service") != 0 ||
            value[0] == '.' || value[0] == '-' || strspn(value, LETTERS DIGITS ":-_.@") != length)
                return -EINVAL;
        return 0;
}

static int check_target(const char *value, const char **ret_allowed)
{
        const char *colon = strrchr(value, ':');

        *ret_allowed = "HOST:PORT, such as \"registry.k8s.io:443\"";
        return colon && is_port(colon + 1) && is_name(value, (size_t)(colon - value)) ? 0 : -EINVAL;
}

static const struct config_key probe_keys[] = {
        { .name = "target",
          .help = "HOST:PORT that the proxy is asked to CONNECT to; without it the proxy is not asked.",
          .kind = CONFIG_STRING,
          .offset = offsetof(struct proxy_config, probe.target) - offsetof(struct proxy_config, probe),
          .check = check_target },
        { .name = "interval",
          .help = "How often.",
          .kind = CONFIG_DURATION,
          .offset = offsetof(struct proxy_config, probe.interval_usec) - offsetof(struct proxy_config, probe),
          .fallback = "\"1m\"",
          .minimum = 10 * USEC_PER_SEC,
          .maximum = USEC_PER_DAY },
        {},
};

static const struct config_type probe_type = {
        .name = "probe",
        .help = "Whether the proxy lets this node through.",
        .size = sizeof(((struct proxy_config *)NULL)->probe),
        .keys = probe_keys,
};

static const struct config_key keys[] = {
        { .name = "httpProxy",
          .help = "The proxy for http:// addresses.",
          .kind = CONFIG_STRING,
          .offset = offsetof(struct proxy_config, http_proxy),
          .check = check_proxy },
        { .name = "httpsProxy",
          .help = "The proxy for https:// addresses.",
          .kind = CONFIG_STRING,
          .offset = offsetof(struct proxy_config, https_proxy),
          .check = check_proxy },
        { .name = "credentialsFile",
          .help = "A file of mode 0600 with one line, USER:PASSWORD, for both proxies; followed when it "
                  "changes.",
          .kind = CONFIG_STRING,
          .offset = offsetof(struct proxy_config, credentials_file),
          .check = config_check_path },
        { .name = "noProxy",
          .help = "What is reached directly, besides what belongs to this node and its cluster.",
          .kind = CONFIG_STRINGS,
          .offset = offsetof(struct proxy_config, no_proxy),
          .maximum = 256,
          .check = check_direct },
        { .name = "units",
          .help = "The services that get the proxy's variables.",
          .kind = CONFIG_STRINGS,
          .offset = offsetof(struct proxy_config, units),
          .fallback = "[\"containerd.service\", \"kubelet.service\"]",
          .maximum = UNITS_MAX,
          .check = check_unit },
        { .name = "environmentD",
          .help = "Whether the services of users get them too, by /etc/environment.d.",
          .kind = CONFIG_BOOL,
          .offset = offsetof(struct proxy_config, environment_d),
          .fallback = "false" },
        { .name = "profileD",
          .help = "Whether login shells get them too, by /etc/profile.d.",
          .kind = CONFIG_BOOL,
          .offset = offsetof(struct proxy_config, profile_d),
          .fallback = "false" },
        { .name = "apt",
          .help = "Whether apt uses the proxies, by /etc/apt/apt.conf.d.",
          .kind = CONFIG_BOOL,
          .offset = offsetof(struct proxy_config, apt),
          .fallback = "false" },
        { .name = "allowRestart",
          .help = "Whether containerd and kubelet are restarted for a change while the kubelet runs.",
          .kind = CONFIG_BOOL,
          .offset = offsetof(struct proxy_config, allow_restart),
          .fallback = "false" },
        { .name = "probe",
          .help = "Whether and how often the proxy is asked for a connection.",
          .kind = CONFIG_OBJECT,
          .offset = offsetof(struct proxy_config, probe),
          .type = &probe_type },
        {},
};

static int check_proxies(const void *object, const char *pointer, struct failure *failure)
{
        const struct proxy_config *config = object;

        if (!config->http_proxy && !config->https_proxy)
                return failure_set(failure, -EINVAL, "InvalidConfiguration",
                                   "%s/: no proxy; give \"httpProxy\", \"httpsProxy\" or both", pointer);
        for (size_t i = 0; i < config->units.count; i++)
                for (size_t j = 0; j < i; j++)
                        if (strcmp(config->units.items[i], config->units.items[j]) == 0)
                                return failure_set(failure, -EINVAL, "InvalidConfiguration",
                                                   "%s/units/%zu: \"%s\" is listed twice", pointer, i,
                                                   config->units.items[i]);
        return 0;
}

const struct config_type proxy_config_type = {
        .name = "proxy",
        .help = "Has services of this node reach the world through a proxy, and the cluster directly.",
        .size = sizeof(struct proxy_config),
        .keys = keys,
        .check = check_proxies,
};
