/* SPDX-License-Identifier: Apache-2.0 */
#include "../../agent/lib/x509.c"

#include "fuzz.h"

static int each_organization(const char *organization, void *userdata)
{
        PROMISE(organization);
        return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_certificates_ certificates = {};
        _cleanup_failure_ failure = {};

        if (certificates_parse("F", (const char *)data, size, &certificates, &failure) < 0) {
                promise_one_line(failure.message);
                PROMISE(certificates.count == 0);
        }
        for (size_t i = 0; i < certificates.count; i++) {
                _cleanup_free_ char *name = NULL;

                (void)certificate_is_ca(certificates.items[i]);
                (void)certificate_not_before(certificates.items[i]);
                (void)certificate_not_after(certificates.items[i]);
                PROMISE((certificate_common_name(certificates.items[i], &name) == 0) == (name != NULL));
                PROMISE(certificate_each_organization(certificates.items[i], each_organization, NULL) == 0);
                (void)certificate_check_key(certificates.items[i], "F", (const char *)data, size, &failure);
        }
        PROMISE(ERR_peek_error() == 0);
        return 0;
}
