/* SPDX-License-Identifier: Apache-2.0 */

/* Any text as /proc/self/mountinfo: it is found or refused, and what is found has its parts. */

#include <stdint.h>

#include "mountinfo.c"

/* Once more, on what was copied. */
static bool is_below(const char *path, const char *above)
{
        size_t length = strlen(above);

        if (length > 0 && above[length - 1] == '/')
                length--;
        return strncmp(path, above, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_(mount_clear) struct mount mount = {};
        _cleanup_free_ char *text = strndup((const char *)data, size);

        if (!text || mountinfo_find(text, "/var/lib/etcd", &mount) < 0)
                return 0;
        if (!is_below("/var/lib/etcd", mount.mount_point) || mount.type[0] == '\0' ||
            mount.super_options[0] == '\0')
                abort();
        (void)mount_option(mount.super_options, "ro");
        return 0;
}
