/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* /etc/capi-node-agent/custom-ca.json. */

#include "config.h"

#define AUTHORITIES_MAX 64

struct authority_source {
        char *name; /* what reports and metrics call it */
        char *pem;  /* the certificates themselves, or */
        char *file; /* where they lie */
};

struct custom_ca_config {
        struct config_objects authorities; /* struct authority_source */
        struct config_strings distrust;    /* "sha256:…" of a certificate's DER form */
        bool allow_expired, allow_not_yet_valid;
        bool containerd; /* shared with registry-mirror */
        struct config_strings restart_units;
};

extern const struct config_type custom_ca_config_type;

const struct authority_source *custom_ca_source(const struct custom_ca_config *config, size_t i);
