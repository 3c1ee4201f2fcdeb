/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* /etc/capi-node-agent/registry-mirror.json. */

#include "config.h"

#define MIRROR_REGISTRIES_MAX 64
#define MIRROR_ENDPOINTS_MAX  8 /* of one registry */

struct mirror_endpoint {
        char *url;
        bool override_path;
        struct config_strings capabilities;
        char *ca, *ca_file; /* PEM, or where it lies: at most one of them */
        char *cert_file, *key_file;
        char *headers_file;
        uint64_t dial_timeout_usec; /* 0: containerd's own 30 s */
};

struct mirror_registry {
        char *host;                      /* "docker.io", "registry.example.org:5000"; NULL: the default */
        bool fallback;                   /* whether the registry itself is asked in the end */
        struct config_objects endpoints; /* struct mirror_endpoint, in the order in which they are asked */
};

struct mirror_probe_config {
        bool enabled;
        uint64_t interval_usec, settled_interval_usec, timeout_usec;
};

struct mirror_containerd_config {
        char *config_file, *socket;
};

struct mirror_config {
        struct config_objects registries; /* struct mirror_registry */
        struct mirror_registry others;    /* "default"; without endpoints there is none */
        struct mirror_probe_config probe;
        bool demote_dead;
        bool allow_restart;
        struct mirror_containerd_config containerd;
};

extern const struct config_type mirror_config_type;

const struct mirror_registry *mirror_registry(const struct mirror_config *config, size_t i);
const struct mirror_endpoint *mirror_endpoint(const struct mirror_registry *registry, size_t i);

/* Whether both name one place: slashes at the end do not count. */
bool mirror_same_url(const char *a, const char *b);

bool mirror_endpoint_can(const struct mirror_endpoint *endpoint, const char *capability);
