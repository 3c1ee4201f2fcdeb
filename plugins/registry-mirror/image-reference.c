/* SPDX-License-Identifier: Apache-2.0 */

#include "image-reference.h"

#include <string.h>

#include "digest.h"

#define LOWER  "abcdefghijklmnopqrstuvwxyz"
#define UPPER  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

#define NAME_MAX_LENGTH 255
#define TAG_MAX_LENGTH  128

void image_reference_clear(struct image_reference *image)
{
        free(image->host);
        free(image->repository);
        free(image->object);
        *image = (struct image_reference){};
}

static int refuse(struct failure *failure, const char *text, const char *what)
{
        return failure_set(failure, -EINVAL, "InvalidImage", "\"%.300s\": %s", text, what);
}

/* Whether the part before the first slash is a registry. */
static bool is_host(const char *part, size_t length)
{
        return memchr(part, '.', length) || memchr(part, ':', length) ||
               (length == strlen("localhost") && strncmp(part, "localhost", length) == 0);
}

static int split_host(const char *name, struct image_reference *image, const char **ret_rest)
{
        const char *slash = strchr(name, '/');

        if (!slash || !is_host(name, (size_t)(slash - name))) {
                image->host = strdup("docker.io");
                *ret_rest = name;
        } else if (strncmp(name, "index.docker.io/", strlen("index.docker.io/")) == 0) {
                image->host = strdup("docker.io");
                *ret_rest = slash + 1;
        } else {
                image->host = strndup(name, (size_t)(slash - name));
                *ret_rest = slash + 1;
        }
        return image->host ? 0 : -ENOMEM;
}

static bool is_digest(const char *text)
{
        return strncmp(text, "sha256:", 7) == 0 && strlen(text) == SHA256_TEXT_SIZE - 1 &&
               strspn(text + 7, DIGITS "abcdef") == 2 * SHA256_SIZE;
}

static bool is_tag(const char *text)
{
        return *text && strlen(text) <= TAG_MAX_LENGTH && *text != '.' && *text != '-' &&
               strspn(text, LOWER UPPER DIGITS "_.-") == strlen(text);
}

/* Paths of lower-case words; none is empty. */
static bool is_repository(const char *text)
{
        size_t length = strlen(text);

        return length > 0 && length <= NAME_MAX_LENGTH && strspn(text, LOWER DIGITS "._-/") == length &&
               strspn(text, LOWER DIGITS) > 0 && !strstr(text, "//") && !strstr(text, "/.") &&
               text[length - 1] != '/';
}

static int take_object(const char *text, char *rest, struct image_reference *image, struct failure *failure)
{
        char *at = strchr(rest, '@'), *colon;

        if (at) {
                *at++ = '\0';
                if (!is_digest(at))
                        return refuse(failure, text, "what follows @ is no sha256:… digest");
        }
        colon = strrchr(rest, ':');
        if (colon) {
                *colon++ = '\0';
                if (!is_tag(colon))
                        return refuse(failure, text, "what follows the colon is no tag");
        }
        image->is_digest = at != NULL;
        image->object = strdup(at ?: colon ?: "latest");
        return image->object ? 0 : -ENOMEM;
}

int image_reference_parse(const char *text, struct image_reference *ret, struct failure *failure)
{
        _cleanup_image_ image = {};
        _cleanup_free_ char *rest = NULL;
        const char *name;
        bool official;
        int r;

        if (strchr(text, '/') && strstr(text, "://"))
                return refuse(failure, text, "is a URL; the name of an image has no https://");
        r = split_host(text, &image, &name);
        if (r < 0)
                return r;
        rest = strdup(name);
        if (!rest)
                return -ENOMEM;
        r = take_object(text, rest, &image, failure);
        if (r < 0)
                return r;
        if (!is_repository(rest))
                return refuse(failure, text, "is no name of an image, such as registry.k8s.io/pause:3.9");
        official = strcmp(image.host, "docker.io") == 0 && !strchr(rest, '/');
        if (asprintf(&image.repository, "%s%s", official ? "library/" : "", rest) < 0) {
                image.repository = NULL;
                return -ENOMEM;
        }
        *ret = image;
        image = (struct image_reference){};
        return 0;
}
