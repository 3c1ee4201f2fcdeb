/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What else of the node a copy takes along, so that a new machine can be restored: the configuration's
 * "include". A database without the key that its Secrets are encrypted with, or without the authority that
 * every certificate hangs on, restores nothing. */

#include "config.h"
#include "include-list.h"

#define INCLUDE_FILE_SIZE_MAX  (UINT64_C(1) << 20) /* one is held in memory at a time */
#define INCLUDE_TOTAL_SIZE_MAX (UINT64_C(8) << 20)

/* Of the configuration's list: "pki", "manifests", "encryption-config" or "kubeadm"; as config_key.check. */
int include_check_name(const char *value, const char **ret_allowed);

/* Of kube-apiserver's image: kubeadm and kubelet are of that version or one beside it. NULL: not known. Owned
 * by the caller. */
char *include_kubernetes_version(const char *root);

/* Each file with its bytes, which are the callee's for the moment of the call. Negative errno ends it. */
typedef int (*include_fn)(const struct included_file *file, const void *data, uint64_t modified_usec,
                          void *userdata);

struct include_request {
        const char *root;
        const struct config_strings *names;
        bool encrypted; /* else keys, tokens and the encryption configuration stay out, and are counted */
        const char *etcd_version;
};

struct include_result {
        uint64_t withheld;
        unsigned left_out;    /* beyond a limit, unreadable, or a link that leads elsewhere */
        struct failure first; /* of what was left out; cleared by the caller */
};

/* Reads what there is, in a stable order; what is not there is not missed, but an encryption configuration
 * that kube-apiserver names. A link is followed only to a file below the same directory. Returns 0, what the
 * callback returned, or -ENOMEM. */
int include_collect(const struct include_request *request, include_fn found, void *userdata,
                    struct include_result *ret);
