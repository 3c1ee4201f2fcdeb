/* SPDX-License-Identifier: Apache-2.0 */

#include "fingerprints.h"

#include <string.h>
#include <sys/stat.h>

#include "authority.h"
#include "x509.h"

#define DIRECTORY_DEPTH_MAX 8 /* find -L follows links, which may go in circles */

void fingerprints_clear(struct fingerprints *fingerprints)
{
        free(fingerprints->items);
        *fingerprints = (struct fingerprints){};
}

bool fingerprints_have(const struct fingerprints *fingerprints, const char *fingerprint)
{
        for (size_t i = 0; i < fingerprints->count; i++)
                if (strcmp(fingerprints->items[i], fingerprint) == 0)
                        return true;
        return false;
}

bool fingerprints_contain(const struct fingerprints *fingerprints, const struct fingerprints *part)
{
        for (size_t i = 0; i < part->count; i++)
                if (!fingerprints_have(fingerprints, part->items[i]))
                        return false;
        return true;
}

int fingerprints_add(struct fingerprints *fingerprints, const char *fingerprint)
{
        void *items;

        if (fingerprints_have(fingerprints, fingerprint))
                return 0;
        items = reallocarray(fingerprints->items, fingerprints->count + 1, sizeof(*fingerprints->items));
        if (!items)
                return -ENOMEM;
        fingerprints->items = items;
        strcpy(fingerprints->items[fingerprints->count++], fingerprint);
        return 0;
}

static int add_certificate(X509 *certificate, void *userdata)
{
        char fingerprint[SHA256_TEXT_SIZE];
        int r;

        r = certificate_fingerprint(certificate, fingerprint);
        return r < 0 ? r : fingerprints_add(userdata, fingerprint);
}

int fingerprints_add_file(struct fingerprints *fingerprints, const char *path)
{
        _cleanup_fingerprints_ found = {};
        int r;

        /* All of a file or nothing of it. */
        r = certificates_load_each(path, add_certificate, &found, NULL);
        for (size_t i = 0; r >= 0 && i < found.count; i++)
                r = fingerprints_add(fingerprints, found.items[i]);
        return r;
}

static int add_directory(struct fingerprints *fingerprints, const char *directory, unsigned depth);

static int add_entry(struct fingerprints *fingerprints, const char *path, unsigned depth)
{
        const char *suffix = strrchr(path, '.');
        struct stat status;
        int r;

        if (stat(path, &status) < 0)
                return 0; /* a link that leads nowhere */
        if (S_ISDIR(status.st_mode))
                return depth < DIRECTORY_DEPTH_MAX ? add_directory(fingerprints, path, depth + 1) : 0;
        if (!S_ISREG(status.st_mode) || !suffix || strcmp(suffix, ".crt") != 0)
                return 0;
        r = fingerprints_add_file(fingerprints, path);
        return r == -ENOMEM ? r : 0;
}

static int add_directory(struct fingerprints *fingerprints, const char *directory, unsigned depth)
{
        _cleanup_(closedirp) DIR *dir = opendir(directory);

        if (!dir)
                return errno == ENOENT ? 0 : -errno;
        for (struct dirent *entry; (entry = readdir(dir));) {
                _cleanup_free_ char *path = NULL;
                int r;

                if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                        continue;
                if (asprintf(&path, "%s/%s", directory, entry->d_name) < 0) {
                        path = NULL;
                        return -ENOMEM;
                }
                r = add_entry(fingerprints, path, depth);
                if (r < 0)
                        return r;
        }
        return 0;
}

int fingerprints_add_directory(struct fingerprints *fingerprints, const char *directory)
{
        return add_directory(fingerprints, directory, 0);
}
