/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Tells that a file or a directory's entries may have changed, by inotify on sd-event. Works for paths that
 * do not exist yet: the nearest existing ancestor is watched until they do. Level-triggered by design: the
 * callback says "look again", never what happened. */

#include <stdint.h>
#include <systemd/sd-event.h>

#include "cleanup.h"

/* cloud-init sets owner and mode after it has closed a file, so a change counts as whole when nothing more
 * happened for this long. */
#define FILE_WATCH_SETTLE_USEC (250 * UINT64_C(1000))

struct file_watch;
typedef void (*file_watch_fn)(void *userdata);

/* Watches path (a file, or a directory whose entries matter). changed is called from the event loop once the
 * path was quiet for settle_usec after a change (0: in the same iteration); it is not called for the state at
 * the start. A change that keeps coming is reported at least every 8 * settle_usec. */
int file_watch_new(sd_event *event, const char *path, uint64_t settle_usec, file_watch_fn changed,
                   void *userdata, struct file_watch **ret);
/* The same of what is written aside and renamed into place (file_write), or in one go: nobody is woken while
 * a file is only made, or when its mode changes. */
int file_watch_new_whole(sd_event *event, const char *path, uint64_t settle_usec, file_watch_fn changed,
                         void *userdata, struct file_watch **ret);
struct file_watch *file_watch_free(struct file_watch *watch);
DEFINE_CLEANUP(struct file_watch *, file_watch_free)

/* Several that one owner looks after. */
struct file_watches {
        struct file_watch **items;
        size_t count;
};
/* ROOT/NAME. Returns 0 or -errno. */
int file_watches_add(struct file_watches *watches, sd_event *event, const char *root, const char *name,
                     uint64_t settle_usec, file_watch_fn changed, void *userdata);
void file_watches_clear(struct file_watches *watches);
