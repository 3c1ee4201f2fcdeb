/* SPDX-License-Identifier: Apache-2.0 */
#include "../../plugins/registry-mirror/challenge.c"
#undef NAME_CHARACTERS
#include "../../plugins/registry-mirror/headers-file.c"
#include "../../plugins/registry-mirror/containerd-version.h"
#include "../../plugins/registry-mirror/image-reference.h"
#include "fuzz.h"

/* Texts of files, registries, containerd and the command line; the first byte says which. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct containerd_version version;
        struct mirror_header *headers;
        struct challenge challenge;
        _cleanup_image_ image = {};
        _cleanup_failure_ failure = {};
        _cleanup_free_ char *text = NULL;
        size_t count;

        if (size == 0)
                return 0;
        text = strndup((const char *)data + 1, size - 1);
        switch (data[0] % 4) {
        case 0:
                if (headers_parse("F", (const char *)data + 1, size - 1, &headers, &count, &failure) < 0)
                        promise_one_line(failure.message);
                else
                        headers_free(headers, count);
                return 0;
        case 1:
                if (challenge_parse(text, &challenge) >= 0)
                        PROMISE(strncmp(challenge.realm, "http", 4) == 0);
                return 0;
        case 2:
                if (image_reference_parse(text, &image, &failure) >= 0)
                        PROMISE(*image.host && *image.repository && *image.object &&
                                !strchr(image.object, '/'));
                return 0;
        case 3:
                if (containerd_version_read(data + 1, size - 1, &version) >= 0)
                        PROMISE(containerd_version_known(&version));
                return 0;
        }
        return 0;
}
