/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the configuration comes to: for each registry the hosts that are asked, in order, with what their
 * files hold. */

#include "configuration.h"
#include "containerd-version.h"
#include "headers-file.h"

/* Where copies of certificates and keys lie, under names made from their content. */
#define MIRROR_FILES "/var/lib/capi-node-agent/registry-mirror/files"

#define MIRROR_HOSTS_MAX (2 * MIRROR_ENDPOINTS_MAX) /* a registry's own, and those of the default */
/* A registry has up to four names; and the default. */
#define MIRROR_CHAINS_MAX (4 * MIRROR_REGISTRIES_MAX + 1)

/* An endpoint with what its files hold. */
struct mirror_host {
        const struct mirror_endpoint *endpoint; /* borrowed from the configuration */
        const char *registry;                   /* likewise; NULL: the default's */
        char *ca_pem;                           /* NULL: the system's authorities alone */
        char *client_pem;                       /* certificates and key; NULL: none */
        struct mirror_header *headers;
        size_t n_headers;
        char *ca_path, *client_path; /* where containerd finds them; NULL: none */
};

/* In which order the hosts of a chain are asked. */
struct mirror_order {
        size_t hosts[MIRROR_HOSTS_MAX]; /* indexes into the chain's hosts */
        size_t before_upstream;         /* how many come before the registry itself, the rest behind it */
};

/* Who is asked for one registry's images. */
struct mirror_chain {
        const char *host; /* borrowed; NULL: all registries that have no chain of their own */
        const char *of;   /* borrowed: the configured registry that host is another name of; NULL: none */
        char *name;       /* host, then owned */
        bool fallback;
        struct mirror_host *hosts[MIRROR_HOSTS_MAX]; /* borrowed from the plan */
        size_t n_hosts;
        struct mirror_order order; /* as configured, until something else is put there */
};

struct mirror_plan {
        struct mirror_host *hosts; /* one for each endpoint of the configuration */
        size_t n_hosts;
        struct mirror_chain *chains;
        size_t n_chains;
        char *authorities_pem;  /* those of custom-ca; NULL: none */
        char *authorities_path; /* where containerd finds them */
};
#define _cleanup_plan_ _cleanup_(mirror_plan_clear) struct mirror_plan
void mirror_plan_clear(struct mirror_plan *plan); /* secrets zeroed */

/* Reads what the configuration names, below root. config NULL: only what custom-ca shares. Returns 0, or
 * negative errno with a failure (InvalidCertificate, InvalidHeaders, SecretFileExposed, SecretFileUnreadable,
 * CertificateUnreadable, KeyMismatch); or -ENOMEM. */
int mirror_plan_load(const struct mirror_config *config, const char *root, struct mirror_plan *ret,
                     struct failure *failure);

/* The chain of a registry, which may be that of all others; NULL: none. */
const struct mirror_chain *mirror_plan_find(const struct mirror_plan *plan, const char *host);

/* The authorities that containerd accepts for a host. */
struct mirror_trust {
        char *pem;       /* the host's own and those of custom-ca; NULL: none */
        char *directory; /* the system's */
};
#define _cleanup_mirror_trust_ _cleanup_(mirror_trust_clear) struct mirror_trust
/* host NULL: a registry itself. with_bundle: also the one file that holds all of the system's, which
 * containerd reads, and into which people write by hand; it makes each connection take 15 ms and 0.9 MB.
 * Returns 0 or -ENOMEM. */
int mirror_plan_trust(const struct mirror_plan *plan, const char *root, const struct mirror_host *host,
                      bool with_bundle, struct mirror_trust *ret);
void mirror_trust_clear(struct mirror_trust *trust);
