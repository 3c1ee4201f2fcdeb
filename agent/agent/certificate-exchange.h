/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What has to be known of certificates, asked of the program certificate-exchange, whose process ends with
 * the answer: OpenSSL's relocations and heap are 0.9 MB of a process that needs them for a moment once a day.
 * Its answer takes some 10 ms and is waited for. kubeconfig_node_name() (kubeconfig.h) is here done so, too.
 */

#include <stddef.h>
#include <stdint.h>

#include "failure.h"

/* A file's name, for messages, and its content. */
struct certificate_file {
        const char *name, *data;
        size_t size;
};

/* Whether key and certificate belong together, the certificate has not expired, and all of client_ca are
 * authorities. ret_pin: of the certificate (x509.h's CERTIFICATE_PIN_SIZE); owned by the caller.
 * ret_not_after_usec: when it expires, CLOCK_REALTIME. Returns 0, or -errno with a failure. */
int certificate_exchange_judge(const struct certificate_file *key, const struct certificate_file *certificate,
                               const struct certificate_file *client_ca, char **ret_pin,
                               uint64_t *ret_not_after_usec, struct failure *failure);

/* gateway_identity_ensure() (agent/certificate-exchange/gateway-identity.h). */
int certificate_exchange_own(const char *directory, const char *hostname, struct failure *failure);
