/* SPDX-License-Identifier: Apache-2.0 */

#include "trust-store.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/stat.h>

#include "files.h"
#include "fingerprints.h"
#include "selection.h"
#include "unified-diff.h"
#include "x509.h"

#define UPDATE "/usr/sbin/update-ca-certificates"
#define CHROOT "/usr/sbin/chroot"
#define PREFIX "capi-node-agent-"
#define SUFFIX ".crt"

#define HASH_LINKS_MAX 64 /* of one subject name */

int trust_store_init(struct trust_store *store, const char *root)
{
        *store = (struct trust_store){
                .root = root,
                .local = path_under(root, "/usr/local/share/ca-certificates"),
                .certs = path_under(root, "/etc/ssl/certs"),
                .bundle = path_under(root, "/etc/ssl/certs/ca-certificates.crt"),
                .selection = path_under(root, "/etc/ca-certificates.conf"),
                .shared = path_under(root, "/usr/share/ca-certificates"),
        };
        if (store->local && store->certs && store->bundle && store->selection && store->shared)
                return 0;
        trust_store_clear(store);
        return -ENOMEM;
}

void trust_store_clear(struct trust_store *store)
{
        free(store->local);
        free(store->certs);
        free(store->bundle);
        free(store->selection);
        free(store->shared);
        *store = (struct trust_store){};
}

static char *own_path(const char *directory, const char *fingerprint)
{
        char *path;

        return asprintf(&path, "%s/" PREFIX "%s" SUFFIX, directory, fingerprint + strlen("sha256:")) < 0
                       ? NULL
                       : path;
}

/* "sha256:…" of one of our file names. */
static bool own_fingerprint(const char *name, char ret[static SHA256_TEXT_SIZE])
{
        const size_t digits = 2 * SHA256_SIZE;

        if (strncmp(name, PREFIX, strlen(PREFIX)) != 0 ||
            strspn(name + strlen(PREFIX), "0123456789abcdef") != digits ||
            strcmp(name + strlen(PREFIX) + digits, SUFFIX) != 0)
                return false;
        snprintf(ret, SHA256_TEXT_SIZE, "sha256:%.*s", (int)digits, name + strlen(PREFIX));
        return true;
}

static int cannot(struct failure *failure, int error, const char *verb, const char *path)
{
        if (error == -EROFS)
                return failure_set(failure, error, "TrustStoreReadOnly",
                                   "cannot %s %s: the file system is read-only; put the authorities into the "
                                   "image, or make %s writable",
                                   verb, path, path);
        return failure_set(failure, error, "TrustStoreNotWritten", "cannot %s %s: %s%s", verb, path,
                           strerror(-error),
                           error == -ENOENT ? " (is the package ca-certificates installed?)" : "");
}

static int place(const char *directory, const struct authority *authority, struct failure *failure)
{
        _cleanup_free_ char *path = own_path(directory, authority->fingerprint), *text = NULL;
        struct stat status;
        size_t size;
        int r;

        if (!path)
                return -ENOMEM;
        if (lstat(path, &status) >= 0 && S_ISREG(status.st_mode) &&
            file_read(path, X509_FILE_MAX, &text, &size) >= 0 && strcmp(text, authority->pem) == 0)
                return 0;
        r = file_write(path, authority->pem, strlen(authority->pem), 0644);
        return r < 0 ? cannot(failure, r, "write", path) : 1;
}

static void take_away(const char *directory, const struct authority *authority)
{
        _cleanup_free_ char *path = own_path(directory, authority->fingerprint);

        if (path)
                (void)unlink(path);
}

int trust_store_place(const struct trust_store *store, const struct authority *authority,
                      struct failure *failure)
{
        int local, certs;

        /* First what the hash link shall point to: rehash runs with the script. */
        certs = place(store->certs, authority, failure);
        if (certs < 0)
                return certs;
        local = place(store->local, authority, failure);
        if (local < 0) {
                if (certs > 0)
                        take_away(store->certs, authority);
                return local;
        }
        return local || certs;
}

/* Calls each(path) for our files in the directory whose authority is not in keep. Returns how many, or
 * -errno. */
static int each_unwanted(const char *directory, const struct authorities *keep,
                         int (*each)(const char *path, struct failure *failure), struct failure *failure)
{
        _cleanup_(closedirp) DIR *dir = opendir(directory);
        int count = 0, r;

        if (!dir)
                return errno == ENOENT ? 0 : cannot(failure, -errno, "read", directory);
        for (struct dirent *entry; (entry = readdir(dir));) {
                _cleanup_free_ char *path = NULL;
                char fingerprint[SHA256_TEXT_SIZE];

                if (!own_fingerprint(entry->d_name, fingerprint) || authorities_find(keep, fingerprint))
                        continue;
                path = own_path(directory, fingerprint);
                r = path ? each(path, failure) : -ENOMEM;
                if (r < 0)
                        return r;
                count++;
        }
        return count;
}

static int remove_file(const char *path, struct failure *failure)
{
        return unlink(path) < 0 && errno != ENOENT ? cannot(failure, -errno, "remove", path) : 0;
}

int trust_store_withdraw(const struct trust_store *store, const struct authorities *keep,
                         struct failure *failure)
{
        int local, certs;

        local = each_unwanted(store->local, keep, remove_file, failure);
        if (local < 0)
                return local;
        certs = each_unwanted(store->certs, keep, remove_file, failure);
        return certs < 0 ? certs : local + certs;
}

int trust_store_remove(const struct trust_store *store, const char *fingerprint, struct failure *failure)
{
        _cleanup_free_ char *local = own_path(store->local, fingerprint),
                            *certs = own_path(store->certs, fingerprint);
        int r;

        if (!local || !certs)
                return -ENOMEM;
        r = remove_file(local, failure);
        return r < 0 ? r : remove_file(certs, failure);
}

static int show_removal(const char *path, struct failure *failure)
{
        _cleanup_free_ char *text = NULL;
        size_t size;
        int r;

        r = file_read(path, X509_FILE_MAX, &text, &size);
        return r < 0 ? cannot(failure, r, "read", path) : unified_diff(stdout, path, text, NULL);
}

int trust_store_show(const struct trust_store *store, const struct authorities *wanted,
                     struct failure *failure)
{
        int r;

        for (size_t i = 0; i < wanted->count; i++) {
                _cleanup_free_ char *path = own_path(store->local, wanted->items[i].fingerprint),
                                    *text = NULL;
                size_t size;

                if (!path)
                        return -ENOMEM;
                r = file_read(path, X509_FILE_MAX, &text, &size);
                if (r < 0 && r != -ENOENT)
                        return cannot(failure, r, "read", path);
                r = unified_diff(stdout, path, text, wanted->items[i].pem);
                if (r < 0)
                        return r;
        }
        r = each_unwanted(store->local, wanted, show_removal, failure);
        return r < 0 ? r : 0;
}

static int broken(struct failure *failure, const struct trust_store *store, const char *what)
{
        return failure_set(failure, -EBADMSG, "TrustStoreBroken", "%s %s; see what else writes below %s",
                           store->bundle, what, store->certs);
}

/* All that the bundle should hold: what is selected, and every local file that is PEM at all. */
static int expected(const struct trust_store *store, struct fingerprints *ret)
{
        int r;

        r = selection_fingerprints(store->selection, store->shared, ret);
        return r < 0 ? r : fingerprints_add_directory(ret, store->local);
}

static bool link_leads_to(const struct trust_store *store, const char *name,
                          const struct authority *authority)
{
        _cleanup_free_ char *path = NULL;
        _cleanup_fingerprints_ found = {};
        char target[NAME_MAX + 1];
        struct stat status;
        ssize_t size;

        if (asprintf(&path, "%s/%s", store->certs, name) < 0) {
                path = NULL;
                return false;
        }
        size = readlink(path, target, sizeof(target) - 1);
        if (size <= 0)
                return false;
        target[size] = '\0';
        free(path);
        if (strchr(target, '/') || asprintf(&path, "%s/%s", store->certs, target) < 0) {
                path = NULL;
                return false;
        }
        if (lstat(path, &status) < 0 || !S_ISREG(status.st_mode))
                return false;
        return fingerprints_add_file(&found, path) >= 0 && fingerprints_have(&found, authority->fingerprint);
}

/* openssl rehash: HASH.0, HASH.1, … for the certificates with the same subject name. */
static bool hash_link_resolves(const struct trust_store *store, const struct authority *authority)
{
        unsigned long hash;
        int ok = 0;

        hash = X509_NAME_hash_ex(X509_get_subject_name(authority->certificate), NULL, NULL, &ok);
        if (!ok)
                return false;
        for (unsigned i = 0; i < HASH_LINKS_MAX; i++) {
                char name[32];

                snprintf(name, sizeof(name), "%08lx.%u", hash, i);
                if (link_leads_to(store, name, authority))
                        return true;
        }
        return false;
}

int trust_store_check(const struct trust_store *store, const struct authorities *ours,
                      struct failure *failure)
{
        _cleanup_fingerprints_ wanted = {}, found = {};
        int r;

        r = expected(store, &wanted);
        if (r < 0)
                return failure_set(failure, r, "TrustStoreUnreadable", "cannot read what %s is made of: %s",
                                   store->bundle, strerror(-r));
        r = fingerprints_add_file(&found, store->bundle);
        if (r == -ENOMEM)
                return r;
        if (r < 0)
                return broken(failure, store, "cannot be read");
        for (size_t i = 0; i < ours->count; i++) {
                if (!fingerprints_have(&found, ours->items[i].fingerprint))
                        return broken(failure, store, "lacks authorities that are configured");
                if (!hash_link_resolves(store, &ours->items[i]))
                        return broken(failure, store,
                                      "holds an authority that the hash links beside it do not lead to");
        }
        if (!fingerprints_contain(&found, &wanted))
                return broken(failure, store, "lacks authorities of the system");
        if (!fingerprints_contain(&wanted, &found))
                return broken(failure, store, "holds authorities that were withdrawn");
        return 0;
}

int trust_store_selects(const struct trust_store *store, const char *fingerprint, bool *ret)
{
        _cleanup_fingerprints_ selected = {};
        int r;

        r = selection_fingerprints(store->selection, store->shared, &selected);
        if (r < 0)
                return r;
        *ret = fingerprints_have(&selected, fingerprint);
        return 0;
}

int trust_store_start(const struct trust_store *store, bool fresh, pid_t *ret, struct failure *failure)
{
        static char *const environment[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", NULL };
        const bool image = strcmp(store->root, "/") != 0;
        char *chrooted[] = { CHROOT, (char *)store->root, UPDATE, fresh ? "--fresh" : NULL, NULL };
        char **argv = image ? chrooted : chrooted + 2;
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attributes;
        sigset_t none;
        mode_t mask;
        int r;

        sigemptyset(&none);
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
        posix_spawnattr_init(&attributes);
        posix_spawnattr_setsigmask(&attributes, &none);
        posix_spawnattr_setpgroup(&attributes, 0);
        posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);

        mask = umask(022); /* everyone reads the bundle */
        r = posix_spawn(ret, argv[0], &actions, &attributes, argv, environment);
        umask(mask);
        posix_spawnattr_destroy(&attributes);
        posix_spawn_file_actions_destroy(&actions);
        if (r != 0)
                return failure_set(failure, -r, "UpdateFailed", "cannot run %s: %s%s", argv[0], strerror(r),
                                   r == ENOENT ? "; install the package ca-certificates" : "");
        return 0;
}
