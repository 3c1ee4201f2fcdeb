/* SPDX-License-Identifier: Apache-2.0 */
#include "../../plugins/etcd-backup/manifest.c"

#include "fuzz.h"

/* What is taken survives being written and read again; what is refused leaves one line. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_(manifest_freep) struct manifest *manifest = NULL, *again = NULL;
        _cleanup_free_ char *text = NULL, *second = NULL;
        _cleanup_failure_ failure = {};

        if (manifest_parse((const char *)data, size, &manifest, &failure) < 0) {
                promise_one_line(failure.message);
                return 0;
        }

        PROMISE(manifest_format(manifest, manifest->stored_file != NULL, &text) == 0);
        PROMISE(manifest_parse(text, strlen(text), &again, NULL) == 0);
        PROMISE(manifest_format(again, again->stored_file != NULL, &second) == 0);
        PROMISE(strcmp(text, second) == 0);
        return 0;
}
