/* SPDX-License-Identifier: Apache-2.0 */

#include "shared.h"

#include <string.h>

#include "files.h"
#include "shared-authorities.h"

#define SHARED_SIZE_MAX (4 * 1024 * 1024)

static int join(const struct authorities *authorities, char **ret)
{
        _cleanup_free_ char *text = NULL;
        FILE *stream;
        size_t size;

        stream = open_memstream(&text, &size);
        if (!stream)
                return -ENOMEM;
        for (size_t i = 0; i < authorities->count; i++)
                fputs(authorities->items[i].pem, stream);
        if (fclose(stream) != 0)
                return -ENOMEM;
        *ret = TAKE_PTR(text);
        return 0;
}

static int replace(const char *path, const char *text)
{
        _cleanup_free_ char *present = NULL;
        size_t size;

        if (*text == '\0')
                return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
        if (file_read(path, SHARED_SIZE_MAX, &present, &size) >= 0 && strcmp(present, text) == 0)
                return 0;
        return file_write(path, text, strlen(text), 0600);
}

int shared_write(const char *state_dir, const struct authorities *authorities, struct failure *failure)
{
        _cleanup_free_ char *path = NULL, *text = NULL;
        int r;

        if (asprintf(&path, "%s/%s", state_dir, strrchr(SHARED_AUTHORITIES, '/') + 1) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        r = join(authorities, &text);
        if (r >= 0)
                r = replace(path, text);
        if (r < 0)
                return failure_set(failure, r, "StateNotWritten", "cannot write %s: %s", path, strerror(-r));
        return 0;
}
