/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* certs.d/HOST/hosts.toml, in which containerd is told whom to ask for a registry's images (containerd:
 * docs/hosts.md). A file that containerd does not like is ignored whole, and the registry itself asked. */

#include "plan.h"

#define HOSTS_FILE_MARK "# Written by capi-node-agent (registry-mirror); changes are undone."

/* Writes the chain's file, in the chain's order. What the version does not know is left out; unknown:
 * what 1.6 does not know. Owned by the caller; NULL: no memory. */
char *hosts_file_render(const struct mirror_plan *plan, const struct mirror_chain *chain,
                        const struct containerd_version *version);

/* The same text without the values of headers, for people. Owned by the caller; NULL: no memory. */
char *hosts_file_shown(const char *text);

/* The directory below certs.d in which containerd looks first for a registry: "docker.io",
 * "registry.example.org_5000_"; NULL: "_default". Owned by the caller; NULL: no memory. */
char *hosts_file_directory(const char *host);

/* CERTS_D/HOST/hosts.toml. Owned by the caller; NULL: no memory. */
char *hosts_file_path(const char *certs_d, const char *host);

/* Who is asked in the end when nobody else has the image: "https://registry-1.docker.io". NULL: no memory. */
char *hosts_file_upstream(const char *host);

/* Holds the text against what containerd of every version reads (one parser and one set of rules for 1.6 to
 * 2.x). Returns 0, or -EINVAL with a failure (HostsFileRefused) that says what would be ignored or rejected.
 */
int hosts_file_check(const char *text, const struct containerd_version *version, struct failure *failure);
