/* SPDX-License-Identifier: Apache-2.0 */

#include "trust-change.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "files.h"
#include "selection.h"
#include "unified-diff.h"

#define RUNS_MAX 3 /* somebody else's run may have crossed ours */

#define DESELECTED_FILE "deselected"           /* the lines before which we put "!" */
#define SELECTION_FILE  "ca-certificates.conf" /* the whole new text, until it is in place */
#define RECORD_SIZE_MAX (256 * 1024)

int trust_change_init(struct trust_change *change, const struct trust_store *store, const char *state_dir,
                      const struct authorities *wanted, const struct config_strings *distrust)
{
        *change = (struct trust_change){
                .store = store,
                .state_dir = state_dir,
                .wanted = wanted,
                .distrust = distrust,
                .placed = calloc(wanted->count + 1, sizeof(bool)),
        };
        return change->placed ? 0 : -ENOMEM;
}

void trust_change_clear(struct trust_change *change)
{
        free(change->placed);
        failure_clear(&change->cause);
        *change = (struct trust_change){};
}

static char *state_path(const struct trust_change *change, const char *name)
{
        char *path;

        return asprintf(&path, "%s/%s", change->state_dir, name) < 0 ? NULL : path;
}

/* In place, since the unit may write this one file of /etc and no other. What a crash leaves half-written is
 * whole again at the next start: the text lies in the state until it is in place. */
static int put_selection(const struct trust_change *change, const char *journal)
{
        _cleanup_free_ char *text = NULL;
        _cleanup_close_ int fd = -EBADF;
        size_t size;
        int r;

        r = file_read(journal, RECORD_SIZE_MAX, &text, &size);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        fd = open(change->store->selection, O_WRONLY | O_TRUNC | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        r = write_all(fd, text, size);
        if (r < 0)
                return r;
        if (fsync(fd) < 0 || unlink(journal) < 0)
                return -errno;
        return 1;
}

static int plan_selection(const struct trust_change *change, char **ret_text, char **ret_ours)
{
        _cleanup_free_ char *path = state_path(change, DESELECTED_FILE), *ours = NULL;
        size_t size;
        int r;

        if (!path)
                return -ENOMEM;
        r = file_read(path, RECORD_SIZE_MAX, &ours, &size);
        if (r < 0 && r != -ENOENT)
                return r;
        return selection_change(change->store->selection, change->store->shared, change->distrust, ours ?: "",
                                ret_text, ret_ours);
}

/* What we deselect is recorded first: a line too many in the record does no harm. */
static int change_selection(const struct trust_change *change)
{
        _cleanup_free_ char *record = state_path(change, DESELECTED_FILE),
                            *journal = state_path(change, SELECTION_FILE), *text = NULL, *ours = NULL;
        int r;

        if (!record || !journal)
                return -ENOMEM;
        r = put_selection(change, journal);
        if (r < 0)
                return r;
        r = plan_selection(change, &text, &ours);
        if (r < 0)
                return r;
        if (*ours)
                r = file_write(record, ours, strlen(ours), 0600);
        if (r < 0 || !text)
                return r;
        r = file_write(journal, text, strlen(text), 0600);
        if (r >= 0)
                r = put_selection(change, journal);
        if (r >= 0 && !*ours && unlink(record) < 0 && errno != ENOENT)
                r = -errno;
        return r;
}

/* Removes what this change wrote. */
static int take_back(struct trust_change *change, struct failure *failure)
{
        for (size_t i = 0; i < change->wanted->count; i++) {
                int r;

                if (!change->placed[i])
                        continue;
                r = trust_store_remove(change->store, change->wanted->items[i].fingerprint, failure);
                if (r < 0)
                        return r;
                change->placed[i] = false;
        }
        return 0;
}

static int begin(struct trust_change *change, struct failure *failure)
{
        int r;

        for (size_t i = 0; i < change->wanted->count; i++) {
                r = trust_store_place(change->store, &change->wanted->items[i], failure);
                if (r < 0) {
                        take_back(change, NULL);
                        return r;
                }
                change->placed[i] = r > 0;
        }
        r = change_selection(change);
        if (r < 0)
                return failure_set(failure, r, r == -EROFS ? "TrustStoreReadOnly" : "TrustStoreNotWritten",
                                   "cannot change %s: %s", change->store->selection, strerror(-r));
        change->begun = true;
        return 0;
}

static bool placed_any(const struct trust_change *change)
{
        for (size_t i = 0; i < change->wanted->count; i++)
                if (change->placed[i])
                        return true;
        return false;
}

/* The store is not right: run again, or give up and take back what is new. */
static int try_again(struct trust_change *change, bool *ret_fresh, struct failure *found,
                     struct failure *failure)
{
        int r;

        *ret_fresh = change->runs > 0 || change->withdrew;
        if (change->runs++ < RUNS_MAX)
                return 1;
        if (change->withdrew || !placed_any(change))
                return failure_set(failure, -EBADMSG, found->reason, "%s", found->message);
        r = take_back(change, failure);
        if (r < 0)
                return r;
        change->cause = *found;
        *found = (struct failure){};
        change->taking_back = true;
        *ret_fresh = true;
        return 1;
}

int trust_change_step(struct trust_change *change, bool *ret_fresh, struct failure *failure)
{
        _cleanup_failure_ found = {};
        int r;

        if (!change->begun) {
                r = begin(change, failure);
                if (r < 0)
                        return r;
        }
        if (change->taking_back)
                return failure_set(failure, -EBADMSG, change->cause.reason,
                                   "%s (the new authorities were taken back)", change->cause.message);
        r = trust_store_check(change->store, change->wanted, &found);
        if (r == -EBADMSG) {
                r = try_again(change, ret_fresh, &found, failure);
                change->ran |= r > 0;
                return r;
        }
        if (r < 0)
                return failure_set(failure, r, found.reason ?: "TrustStoreUnreadable", "%s",
                                   found.message ?: strerror(-r));

        r = trust_store_withdraw(change->store, change->wanted, failure);
        if (r <= 0)
                return r;
        change->withdrew = change->ran = true;
        change->runs = 1;
        *ret_fresh = true;
        return 1;
}

static int wait_for(pid_t pid, struct failure *failure)
{
        _cleanup_close_ int fd = (int)syscall(SYS_pidfd_open, pid, 0);
        struct pollfd poller = { .fd = fd, .events = POLLIN };
        int status, r;

        r = fd < 0 ? -1 : poll(&poller, 1, (int)(TRUST_RUN_USEC / USEC_PER_MSEC));
        if (r <= 0)
                kill(-pid, SIGKILL);
        if (waitpid(pid, &status, 0) < 0)
                return -errno;
        if (r <= 0)
                return failure_set(
                        failure, -ETIMEDOUT, "UpdateFailed",
                        "update-ca-certificates did not end within 2 minutes; look at its hooks in "
                        "/etc/ca-certificates/update.d");
        return 0; /* its exit status means nothing; the store is checked */
}

int trust_change_run(struct trust_change *change, struct failure *failure)
{
        bool fresh = false;
        pid_t pid;
        int r;

        while ((r = trust_change_step(change, &fresh, failure)) > 0) {
                r = trust_store_start(change->store, fresh, &pid, failure);
                if (r >= 0)
                        r = wait_for(pid, failure);
                if (r < 0) {
                        if (!change->withdrew)
                                take_back(change, NULL);
                        return r;
                }
        }
        return r;
}

int trust_change_show(const struct trust_change *change, struct failure *failure)
{
        _cleanup_free_ char *before = NULL, *after = NULL, *ours = NULL;
        size_t size;
        int r;

        r = trust_store_show(change->store, change->wanted, failure);
        if (r < 0)
                return r;
        r = plan_selection(change, &after, &ours);
        if (r < 0 || !after)
                return r;
        r = file_read(change->store->selection, RECORD_SIZE_MAX, &before, &size);
        return r < 0 ? r : unified_diff(stdout, change->store->selection, before, after);
}
