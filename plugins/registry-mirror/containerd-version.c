/* SPDX-License-Identifier: Apache-2.0 */

#include "containerd-version.h"

#include <string.h>

#include "protobuf.h"

#define NUMBER_MAX 9999

static bool is_digit(char c)
{
        return c >= '0' && c <= '9';
}

static int take_number(const char **text, unsigned *ret)
{
        unsigned number = 0;

        if (!is_digit(**text))
                return -EINVAL;
        for (; is_digit(**text); (*text)++) {
                number = number * 10 + (unsigned)(**text - '0');
                if (number > NUMBER_MAX)
                        return -EINVAL;
        }
        *ret = number;
        return 0;
}

int containerd_version_parse(const char *text, struct containerd_version *ret)
{
        struct containerd_version version = {};

        if (*text == 'v')
                text++;
        if (take_number(&text, &version.major) < 0 || *text++ != '.' ||
            take_number(&text, &version.minor) < 0)
                return -EINVAL;
        if (*text == '.') {
                text++;
                if (take_number(&text, &version.patch) < 0)
                        return -EINVAL;
        }
        if (version.major == 0)
                return -EINVAL;
        *ret = version;
        return 0;
}

char *containerd_version_format(const struct containerd_version *version,
                                char buffer[static CONTAINERD_VERSION_SIZE])
{
        if (containerd_version_known(version))
                snprintf(buffer, CONTAINERD_VERSION_SIZE, "%u.%u.%u", version->major, version->minor,
                         version->patch);
        else
                snprintf(buffer, CONTAINERD_VERSION_SIZE, "unknown");
        return buffer;
}

bool containerd_version_known(const struct containerd_version *version)
{
        return version->major > 0;
}

bool containerd_version_at_least(const struct containerd_version *version, unsigned major, unsigned minor)
{
        return version->major > major || (version->major == major && version->minor >= minor);
}

bool containerd_version_same(const struct containerd_version *a, const struct containerd_version *b)
{
        return a->major == b->major && a->minor == b->minor && a->patch == b->patch;
}

int containerd_version_read(const uint8_t *message, size_t size, struct containerd_version *ret)
{
        struct protobuf_reader reader = { message, message + size };
        struct protobuf_field field;
        int r;

        while ((r = protobuf_next(&reader, &field)) > 0) {
                char text[CONTAINERD_VERSION_SIZE];

                if (field.number != 1 || field.wire != PROTOBUF_BYTES)
                        continue;
                if (field.size >= sizeof(text) || memchr(field.bytes, '\0', field.size))
                        return -EBADMSG;
                memcpy(text, field.bytes, field.size);
                text[field.size] = '\0';
                return containerd_version_parse(text, ret) < 0 ? -EBADMSG : 0;
        }
        return -EBADMSG;
}
