/* SPDX-License-Identifier: Apache-2.0 */

#include "file-watch.h"

#include <stdbool.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "files.h"

#define SELF_MASK (IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)
/* Entries that come and go, by another name; that are written, too; and that are made first and written later
 * or only change their mode. */
#define NAME_MASK   (SELF_MASK | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO)
#define WHOLE_MASK  (NAME_MASK | IN_CLOSE_WRITE)
#define WATCH_MASK  (WHOLE_MASK | IN_CREATE | IN_ATTRIB)
#define GONE_MASK   (IN_IGNORED | IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_Q_OVERFLOW)
#define BURST_LIMIT 8

struct file_watch {
        sd_event *event;
        char *path;
        uint64_t settle_usec;
        uint32_t mask; /* of the entries that matter */
        file_watch_fn changed;
        void *userdata;

        sd_event_source *ancestor; /* the nearest existing directory above path … */
        char *expected;            /* … and the entry of it that matters */
        bool is_parent;            /* that entry is path itself */
        sd_event_source *own;      /* path, when it is a directory */
        sd_event_source *timer;
        uint64_t quiet_usec;     /* when the quiet period ends */
        uint64_t burst_end_usec; /* 0: quiet */
        bool moved;              /* what is watched may no longer be what path leads to */
};

struct file_watch *file_watch_free(struct file_watch *watch)
{
        if (!watch)
                return NULL;
        sd_event_source_disable_unref(watch->ancestor);
        sd_event_source_disable_unref(watch->own);
        sd_event_source_disable_unref(watch->timer);
        sd_event_unref(watch->event);
        free(watch->expected);
        free(watch->path);
        free(watch);
        return NULL;
}

static int set_timer(struct file_watch *watch)
{
        int r = sd_event_source_set_time(watch->timer, watch->quiet_usec);

        return r < 0 ? r : sd_event_source_set_enabled(watch->timer, SD_EVENT_ONESHOT);
}

/* Restarts the quiet period, which ends at the latest when the burst has lasted BURST_LIMIT periods. One
 * written file is several events: the timer is only set for the first, and looks itself whether more came. */
static int postpone(struct file_watch *watch)
{
        bool first = watch->burst_end_usec == 0;
        uint64_t now;
        int r;

        r = sd_event_now(watch->event, CLOCK_MONOTONIC, &now);
        if (r < 0)
                return r;
        if (first)
                watch->burst_end_usec = now + BURST_LIMIT * watch->settle_usec;
        watch->quiet_usec = now + watch->settle_usec;
        if (watch->quiet_usec > watch->burst_end_usec)
                watch->quiet_usec = watch->burst_end_usec;
        return first ? set_timer(watch) : 0;
}

static int on_ancestor(sd_event_source *source, const struct inotify_event *event, void *userdata)
{
        struct file_watch *watch = userdata;

        const bool expected = event->len > 0 && strcmp(event->name, watch->expected) == 0;

        if (!(event->mask & GONE_MASK) && !expected)
                return 0;
        /* A file that another one replaces goes on being seen from its directory. */
        if ((event->mask & GONE_MASK) || !watch->is_parent || watch->own)
                watch->moved = true;
        return postpone(watch);
}

static int on_own(sd_event_source *source, const struct inotify_event *event, void *userdata)
{
        struct file_watch *watch = userdata;

        if (event->mask & GONE_MASK)
                watch->moved = true;
        return postpone(watch);
}

static bool is_directory(const char *path)
{
        struct stat st;

        return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* What matters of path in its own directory: of a directory that is there only that another one takes its
 * place, and of what is not there also that it is made. */
static uint32_t entry_mask(const struct file_watch *watch)
{
        struct stat st;

        if (stat(watch->path, &st) < 0)
                return WATCH_MASK;
        return S_ISDIR(st.st_mode) ? NAME_MASK : watch->mask;
}

/* Watches the nearest existing ancestor. Returns whether the entry below it exists although it is not path
 * itself: then something was created meanwhile and the search has to begin again. */
static int arm_ancestor(struct file_watch *watch, uint32_t mask)
{
        _cleanup_free_ char *directory = strdup(watch->path), *below = strdup(watch->path);
        int r = -ENOENT;

        if (!directory || !below)
                return -ENOMEM;

        for (;;) {
                char *slash = strrchr(directory, '/');

                if (!slash)
                        return -EINVAL;
                free(watch->expected);
                watch->expected = strdup(slash + 1);
                if (!watch->expected)
                        return -ENOMEM;
                below[strlen(directory)] = '\0';
                watch->is_parent = strcmp(below, watch->path) == 0;
                *slash = '\0';
                r = sd_event_add_inotify(watch->event, &watch->ancestor, directory[0] ? directory : "/",
                                         watch->is_parent ? mask : WATCH_MASK, on_ancestor, watch);
                if (r != -ENOENT && r != -ENOTDIR)
                        break;
                if (!directory[0])
                        return r;
        }
        if (r < 0)
                return r;
        return !watch->is_parent && access(below, F_OK) == 0;
}

static int arm(struct file_watch *watch)
{
        uint32_t mask;
        bool again;
        int r;

        watch->moved = false;
        do {
                mask = entry_mask(watch);
                watch->own = sd_event_source_disable_unref(watch->own);
                watch->ancestor = sd_event_source_disable_unref(watch->ancestor);
                r = arm_ancestor(watch, mask);
                if (r < 0)
                        return r;
                again = r > 0;
                r = sd_event_add_inotify(watch->event, &watch->own, watch->path, watch->mask, on_own, watch);
                if (r < 0 && r != -ENOENT && r != -ENOTDIR)
                        return r;
        } while (again || (r < 0 && mask == NAME_MASK));
        return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct file_watch *watch = userdata;
        uint64_t now;
        int r;

        r = sd_event_now(watch->event, CLOCK_MONOTONIC, &now);
        if (r < 0)
                return r;
        if (now < watch->quiet_usec)
                return set_timer(watch);
        watch->burst_end_usec = 0;
        /* Before the callback looks: what changes from here on is seen by the new watches. */
        if (watch->moved || (!watch->own && is_directory(watch->path)))
                r = arm(watch);
        if (r < 0)
                return r;
        watch->changed(watch->userdata); /* may free the watch */
        return 0;
}

static int watch_path(sd_event *event, const char *path, uint64_t settle_usec, uint32_t mask,
                      file_watch_fn changed, void *userdata, struct file_watch **ret)
{
        _cleanup_(file_watch_freep) struct file_watch *watch = calloc(1, sizeof(*watch));
        int r;

        if (!watch)
                return -ENOMEM;
        *watch = (struct file_watch){ .event = sd_event_ref(event),
                                      .settle_usec = settle_usec,
                                      .mask = mask,
                                      .changed = changed,
                                      .userdata = userdata };
        watch->path = strdup(path);
        if (!watch->path)
                return -ENOMEM;

        r = sd_event_add_time(event, &watch->timer, CLOCK_MONOTONIC, 0, 1, on_timer, watch);
        if (r < 0)
                return r;
        r = sd_event_source_set_enabled(watch->timer, SD_EVENT_OFF);
        if (r < 0)
                return r;
        r = arm(watch);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(watch);
        return 0;
}

int file_watch_new(sd_event *event, const char *path, uint64_t settle_usec, file_watch_fn changed,
                   void *userdata, struct file_watch **ret)
{
        return watch_path(event, path, settle_usec, WATCH_MASK, changed, userdata, ret);
}

int file_watch_new_whole(sd_event *event, const char *path, uint64_t settle_usec, file_watch_fn changed,
                         void *userdata, struct file_watch **ret)
{
        return watch_path(event, path, settle_usec, WHOLE_MASK, changed, userdata, ret);
}

int file_watches_add(struct file_watches *watches, sd_event *event, const char *root, const char *name,
                     uint64_t settle_usec, file_watch_fn changed, void *userdata)
{
        _cleanup_free_ char *path = path_under(root, name);
        struct file_watch **items = reallocarray(watches->items, watches->count + 1, sizeof(*items));
        int r;

        if (items)
                watches->items = items;
        if (!path || !items)
                return -ENOMEM;
        r = file_watch_new(event, path, settle_usec, changed, userdata, &items[watches->count]);
        if (r >= 0)
                watches->count++;
        return r;
}

void file_watches_clear(struct file_watches *watches)
{
        for (size_t i = 0; i < watches->count; i++)
                file_watch_free(watches->items[i]);
        free(watches->items);
        *watches = (struct file_watches){};
}
