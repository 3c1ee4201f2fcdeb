/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The files through which units, shells and apt learn of the proxy.
 *
 * A unit has a drop-in that names a file of variables below the plugin's state. The variables do not stand in
 * the drop-in itself, because systemd tells everyone what Environment= holds (systemd.exec(5)); and since it
 * reads such a file only when it starts the unit, a change needs no daemon-reload. The drop-ins for
 * containerd and kubelet come with the package, so that systemd has read them before a first boot's
 * cloud-init has written the configuration; those of other units are written here. */

#include <stdint.h>

#include "configuration.h"
#include "digest.h"
#include "owned-files.h"

#define DROP_IN_NAME    "capi-node-agent-proxy.conf"
#define ENVIRONMENT_DIR "/var/lib/capi-node-agent/proxy/environment"

/* Of every unit; %n is its name. */
extern const char drop_in_text[];

enum { VARIABLES = 6 };
extern const char *const variable_names[VARIABLES];

struct settings {
        char *http, *https; /* with credentials; NULL: none */
        char *direct;       /* of NO_PROXY */
        struct owned_file *files;
        size_t count;
        size_t n_drop_ins;                  /* among the files */
        char significant[SHA256_TEXT_SIZE]; /* of all but what was added to noProxy */
        char drop_ins[SHA256_TEXT_SIZE];    /* of the drop-ins among the files */
};
#define _cleanup_settings_ _cleanup_(settings_clear) struct settings
void settings_clear(struct settings *settings);

/* Returns 0, or -errno with a failure (SecretFileUnreadable, SecretFileExposed, CredentialsRefused,
 * AddressesUnreadable). */
int settings_make(const char *root, const struct proxy_config *config, struct settings *ret,
                  struct failure *failure);

/* The value of a variable, or NULL where it has none. */
const char *settings_value(const struct settings *settings, size_t variable);
