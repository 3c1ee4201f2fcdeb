/* SPDX-License-Identifier: Apache-2.0 */

#include "gateway-config.h"

#include <arpa/inet.h>
#include <string.h>

#define LISTEN_MAX  16
#define SUBJECT_MAX 64
#define ALLOW_MAX   64

int gateway_listen_parse(const char *text, char ret_address[static GATEWAY_ADDRESS_SIZE], uint16_t *ret_port)
{
        const char *colon = strrchr(text, ':');
        bool v6 = text[0] == '[';
        char address[GATEWAY_ADDRESS_SIZE];
        struct in6_addr binary;
        unsigned long port;
        size_t length;

        if (!colon || colon[1] < '1' || colon[1] > '9' || strlen(colon + 1) > 5 ||
            colon[1 + strspn(colon + 1, "0123456789")] != '\0')
                return -EINVAL;
        port = strtoul(colon + 1, NULL, 10);
        if (port > UINT16_MAX || (v6 && (colon == text || colon[-1] != ']')))
                return -EINVAL;
        length = (size_t)(colon - text) - (v6 ? 2 : 0);
        if (length >= sizeof(address))
                return -EINVAL;
        memcpy(address, text + v6, length);
        address[length] = '\0';
        if (inet_pton(v6 ? AF_INET6 : AF_INET, address, &binary) != 1)
                return -EINVAL;
        memcpy(ret_address, address, length + 1);
        *ret_port = (uint16_t)port;
        return 0;
}

static int check_listen(const char *value, const char **ret_allowed)
{
        char address[GATEWAY_ADDRESS_SIZE];
        uint16_t port;

        *ret_allowed = "ADDRESS:PORT or [IPV6-ADDRESS]:PORT with a numeric address";
        return gateway_listen_parse(value, address, &port);
}

/* A wildcard would look as if it were one. */
static int check_subject(const char *value, const char **ret_allowed)
{
        *ret_allowed = "a whole name as it stands in the certificate's subject, without *";
        return value[0] && strlen(value) <= SUBJECT_MAX && !strchr(value, '*') ? 0 : -EINVAL;
}

static const struct config_key allow_keys[] = {
        { .name = "commonNames",
          .help = "Client certificates with one of these common names may read.",
          .kind = CONFIG_STRINGS,
          .offset = offsetof(struct gateway_allow, common_names),
          .maximum = ALLOW_MAX,
          .check = check_subject },
        { .name = "organizations",
          .help = "Client certificates with one of these organizations may read.",
          .kind = CONFIG_STRINGS,
          .offset = offsetof(struct gateway_allow, organizations),
          .maximum = ALLOW_MAX,
          .check = check_subject },
        {},
};

static const struct config_type allow_type = {
        .name = "allow",
        .help = "Which subjects may read. The client CA alone is not enough: it signs every kubelet's "
                "certificate too.",
        .size = sizeof(struct gateway_allow),
        .keys = allow_keys,
};

static const struct config_key keys[] = {
        { .name = "listen",
          .help = "Addresses to listen on.",
          .kind = CONFIG_STRINGS,
          .offset = offsetof(struct gateway_config, listen),
          .fallback = "[\"0.0.0.0:10273\", \"[::]:10273\"]",
          .minimum = 1,
          .maximum = LISTEN_MAX,
          .check = check_listen },
        { .name = "certFile",
          .help = "Server certificate with its chain, PEM. Followed when it is renewed. Without it the agent "
                  "makes a key and a self-signed certificate.",
          .kind = CONFIG_STRING,
          .offset = offsetof(struct gateway_config, cert_file),
          .check = config_check_path },
        { .name = "keyFile",
          .help = "Private key of the server certificate, PEM, mode 0600.",
          .kind = CONFIG_STRING,
          .offset = offsetof(struct gateway_config, key_file),
          .check = config_check_path },
        { .name = "clientCAFile",
          .help = "Certificate authorities that client certificates must come from, PEM.",
          .kind = CONFIG_STRING,
          .offset = offsetof(struct gateway_config, client_ca_file),
          .fallback = "\"/etc/kubernetes/pki/ca.crt\"",
          .check = config_check_path },
        { .name = "allow",
          .help = "Which subjects may read everything.",
          .kind = CONFIG_OBJECT,
          .offset = offsetof(struct gateway_config, allow),
          .type = &allow_type },
        { .name = "scrape",
          .help = "Which subjects may read /metrics and nothing else.",
          .kind = CONFIG_OBJECT,
          .offset = offsetof(struct gateway_config, scrape),
          .type = &allow_type },
        { .name = "connections",
          .help = "How many connections are served at a time.",
          .kind = CONFIG_INTEGER,
          .offset = offsetof(struct gateway_config, connections),
          .fallback = "256",
          .minimum = 8,
          .maximum = 4096 },
        { .name = "requestsPerSecond",
          .help = "How many requests of one client certificate are answered in a second on average; at once "
                  "it may "
                  "make one for each of the connections.",
          .kind = CONFIG_INTEGER,
          .offset = offsetof(struct gateway_config, requests_per_second),
          .fallback = "100",
          .minimum = 1,
          .maximum = 1000000 },
        {},
};

static bool names_nobody(const struct gateway_allow *allow)
{
        return allow->common_names.count == 0 && allow->organizations.count == 0;
}

static int check_gateway(const void *object, const char *pointer, struct failure *failure)
{
        const struct gateway_config *config = object;

        if (!config->cert_file != !config->key_file)
                return failure_set(
                        failure, -EINVAL, "InvalidConfiguration",
                        "%s: \"certFile\" and \"keyFile\" belong together; without both the agent makes "
                        "a self-signed certificate",
                        pointer);
        if (names_nobody(&config->allow) && names_nobody(&config->scrape))
                return failure_set(failure, -EINVAL, "InvalidConfiguration",
                                   "%s/allow: nobody is allowed; name at least one in \"commonNames\" or "
                                   "\"organizations\"",
                                   pointer);
        return 0;
}

const struct config_type gateway_config_type = {
        .name = "gateway",
        .help = "The HTTPS endpoint that the management cluster and Prometheus query.",
        .size = sizeof(struct gateway_config),
        .keys = keys,
        .check = check_gateway,
};
