/* SPDX-License-Identifier: Apache-2.0 */

#include "configuration.h"

#include <string.h>

#include "digest.h"

#define PEM_MAX (128 * 1024)

static const struct config_key authority_keys[] = {
        { .name = "name",
          .help = "What reports and metrics call this authority.",
          .kind = CONFIG_STRING,
          .offset = offsetof(struct authority_source, name),
          .required = true,
          .check = config_check_name },
        { .name = "pem",
          .help = "One or more certificates, as PEM.",
          .kind = CONFIG_STRING,
          .offset = offsetof(struct authority_source, pem),
          .maximum = PEM_MAX },
        { .name = "file",
          .help = "A PEM file with one or more certificates, instead of pem; followed when it changes.",
          .kind = CONFIG_STRING,
          .offset = offsetof(struct authority_source, file),
          .check = config_check_path },
        {},
};

static int check_source(const void *object, const char *pointer, struct failure *failure)
{
        const struct authority_source *source = object;

        if (!source->pem == !source->file)
                return failure_set(failure, -EINVAL, "InvalidConfiguration",
                                   "%s: \"%s\" has %s; give exactly one of \"pem\" and \"file\"", pointer,
                                   source->name, source->pem ? "both" : "neither");
        return 0;
}

static const struct config_type authority_type = {
        .name = "authority",
        .help = "A certificate authority, or several under one name.",
        .size = sizeof(struct authority_source),
        .keys = authority_keys,
        .check = check_source,
};

static int check_fingerprint(const char *value, const char **ret_allowed)
{
        *ret_allowed = "sha256: and 64 lower-case hexadecimal digits, of the certificate's DER form";
        if (strncmp(value, "sha256:", 7) != 0 || strlen(value) != SHA256_TEXT_SIZE - 1 ||
            strspn(value + 7, "0123456789abcdef") != 2 * SHA256_SIZE)
                return -EINVAL;
        return 0;
}

/* The agent restarts nothing else for this plugin (agent/agent/requests.c). */
static int check_restart_unit(const char *value, const char **ret_allowed)
{
        *ret_allowed = "containerd.service or kubelet.service";
        return strcmp(value, "containerd.service") == 0 || strcmp(value, "kubelet.service") == 0 ? 0
                                                                                                 : -EINVAL;
}

static const struct config_key keys[] = {
        { .name = "authorities",
          .help = "Who is trusted besides the system's own authorities.",
          .kind = CONFIG_OBJECTS,
          .offset = offsetof(struct custom_ca_config, authorities),
          .maximum = AUTHORITIES_MAX,
          .type = &authority_type },
        { .name = "distrust",
          .help = "Authorities of the system that are trusted no longer, by fingerprint (sha256:…).",
          .kind = CONFIG_STRINGS,
          .offset = offsetof(struct custom_ca_config, distrust),
          .maximum = 256,
          .check = check_fingerprint },
        { .name = "allowExpired",
          .help = "Whether an expired certificate is installed all the same.",
          .kind = CONFIG_BOOL,
          .offset = offsetof(struct custom_ca_config, allow_expired),
          .fallback = "false" },
        { .name = "allowNotYetValid",
          .help = "Whether one that becomes valid later is installed already; a node whose clock is not set "
                  "yet needs it.",
          .kind = CONFIG_BOOL,
          .offset = offsetof(struct custom_ca_config, allow_not_yet_valid),
          .fallback = "false" },
        { .name = "containerd",
          .help = "Whether containerd's pulls trust the authorities at once, without a restart, by way of "
                  "registry-mirror.",
          .kind = CONFIG_BOOL,
          .offset = offsetof(struct custom_ca_config, containerd),
          .fallback = "false" },
        { .name = "restartUnits",
          .help = "Units to restart once when they run with the trust store from before a change.",
          .kind = CONFIG_STRINGS,
          .offset = offsetof(struct custom_ca_config, restart_units),
          .maximum = 2,
          .check = check_restart_unit },
        {},
};

static int check_names(const void *object, const char *pointer, struct failure *failure)
{
        const struct custom_ca_config *config = object;

        for (size_t i = 0; i < config->authorities.count; i++)
                for (size_t j = 0; j < i; j++)
                        if (strcmp(custom_ca_source(config, i)->name, custom_ca_source(config, j)->name) == 0)
                                return failure_set(failure, -EINVAL, "InvalidConfiguration",
                                                   "%s/authorities/%zu/name: \"%s\" names /authorities/%zu "
                                                   "already; names are unique",
                                                   pointer, i, custom_ca_source(config, i)->name, j);
        return 0;
}

const struct config_type custom_ca_config_type = {
        .name = "custom-ca",
        .help = "Makes certificate authorities trusted on this node, or trusted no longer.",
        .size = sizeof(struct custom_ca_config),
        .keys = keys,
        .check = check_names,
};

const struct authority_source *custom_ca_source(const struct custom_ca_config *config, size_t i)
{
        return (const struct authority_source *)config->authorities.items + i;
}
