/* SPDX-License-Identifier: Apache-2.0 */

#include "apply.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>

#include "desired.h"
#include "files.h"
#include "last-change.h"
#include "shared.h"

#define BUNDLE_SIZE_MAX (16 * 1024 * 1024)

int trust_lock(const char *state_dir, struct failure *failure)
{
        _cleanup_free_ char *path = NULL;
        _cleanup_close_ int fd = -EBADF;

        if (asprintf(&path, "%s/lock", state_dir) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0)
                return failure_set(failure, -errno, "TrustStoreBusy", "cannot open %s: %s", path,
                                   strerror(errno));
        if (flock(fd, LOCK_EX | LOCK_NB) < 0)
                return failure_set(failure, errno == EWOULDBLOCK ? -EBUSY : -errno, "TrustStoreBusy",
                                   "another run of custom-ca changes the trust store now; try again when it "
                                   "has ended");
        return TAKE_FD(fd);
}

int trust_changed(const char *state_dir, const struct trust_change *change, struct failure *failure)
{
        _cleanup_free_ char *bundle = NULL;
        char digest[SHA256_TEXT_SIZE];
        size_t size;
        int r;

        if (!change->ran)
                return 0;
        r = file_read(change->store->bundle, BUNDLE_SIZE_MAX, &bundle, &size);
        if (r >= 0)
                r = digest_text(bundle, size, digest);
        if (r >= 0)
                r = last_change_save(state_dir, CHANGED, digest);
        if (r < 0)
                return failure_set(failure, r, "StateNotWritten", "cannot record the change below %s: %s",
                                   state_dir, strerror(-r));
        return 0;
}

/* A configuration without anything is what undo asks for. */
static int make_so(struct plugin_context *ctx, const struct custom_ca_config *config, struct failure *failure)
{
        _cleanup_(trust_store_clear) struct trust_store store = {};
        _cleanup_(trust_change_clear) struct trust_change change = {};
        _cleanup_desired_ desired = {};
        _cleanup_close_ int lock = -EBADF;
        int r;

        r = trust_store_init(&store, ctx->root);
        if (r < 0)
                return r;
        r = desired_load(config, &store, &desired, failure);
        if (r < 0)
                return r;
        r = trust_change_init(&change, &store, ctx->state_dir, &desired.wanted, &config->distrust);
        if (r < 0)
                return r;
        if (ctx->dry_run)
                return trust_change_show(&change, failure);
        lock = trust_lock(ctx->state_dir, failure);
        if (lock < 0)
                return lock;
        r = trust_change_run(&change, failure);
        if (r < 0)
                return r;
        r = trust_changed(ctx->state_dir, &change, failure);
        if (r < 0)
                return r;
        return shared_write(ctx->state_dir, config->containerd ? &desired.wanted : &(struct authorities){},
                            failure);
}

int custom_ca_apply(struct plugin_context *ctx, const void *config, struct failure *failure)
{
        return make_so(ctx, config, failure);
}

int custom_ca_undo(struct plugin_context *ctx, struct failure *failure)
{
        return make_so(ctx, &(struct custom_ca_config){}, failure);
}
