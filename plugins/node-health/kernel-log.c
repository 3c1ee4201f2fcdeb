/* SPDX-License-Identifier: Apache-2.0 */

#include "kernel-log.h"

#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>

#include "files.h"
#include "node-disks.h"
#include "quantity.h"
#include "timestamp.h"

/* A flood of messages must not cost more than about 1 % of a core: so many records, then a pause. What the
 * kernel overwrites in the meantime is counted, by its sequence number. */
#define STATE_PATH        "/var/lib/capi-node-agent/node-health/kernel-log.json"
#define BATCH             128
#define PAUSE_USEC        (50 * USEC_PER_MSEC)
#define CATCH_UP_MAX      16384 /* at the start, without a pause: about 20 ms for a full buffer of 1 MiB */
#define ACCURACY_USEC     (10 * USEC_PER_MSEC)
#define DEVICES_KEPT_USEC (5 * USEC_PER_MIN) /* what is mounted meanwhile is looked at a little later */

static void remember(uint64_t *count, uint64_t *last_usec, char *last, const struct kernel_record *record)
{
        (*count)++;
        *last_usec = record->usec;
        (void)snprintf(last, KERNEL_TEXT_MAX, "%s", record->text);
}

static bool is_own_device(const struct kernel_log *log, const char *name, size_t length)
{
        for (size_t i = 0; i < log->n_devices; i++)
                if (strlen(log->devices[i]) == length && memcmp(log->devices[i], name, length) == 0)
                        return true;
        return false;
}

static bool is_serious(const struct kernel_log *log, const struct kernel_rule *rule, const char *text)
{
        const char *device;
        size_t length;

        switch (rule->effect) {
        case KERNEL_HUNG:
                return kernel_task_is_needed(text);
        case KERNEL_IO:
        case KERNEL_DAMAGE:
                length = kernel_rule_device(rule, text, &device);
                return length > 0 && is_own_device(log, device, length);
        case KERNEL_LOCKUP:
        case KERNEL_BROKEN:
                return true;
        case KERNEL_NOTE:
        case KERNEL_OOM:
                return false;
        }
        return false;
}

static void judge_record(struct kernel_log *log, const struct kernel_record *record)
{
        const struct kernel_rule *rule;
        struct kernel_finding *found;

        /* Anyone who may write to /dev/kmsg can say anything, but not as the kernel. */
        if (record->facility != 0) {
                log->foreign++;
                return;
        }
        rule = kernel_rule_find(record->text);
        if (!rule)
                return;
        found = &log->found[kernel_rule_index(rule->name)];
        remember(&found->count, &found->last_usec, found->last, record);
        if (is_serious(log, rule, record->text))
                remember(&found->serious_count, &found->serious_usec, found->serious, record);
        log->changed = true;
}

static void take_record(struct kernel_log *log, char *text)
{
        struct kernel_record record;

        log->records++;
        if (kernel_record_parse(text, &record) < 0) {
                log->malformed++;
                return;
        }
        if (log->next_known && record.sequence < log->next)
                return; /* seen by the process before this one */
        if (log->next_known && record.sequence > log->next) {
                log->lost += record.sequence - log->next;
                log->changed = true;
        }
        log->next = record.sequence + 1;
        log->next_known = true;
        judge_record(log, &record);
}

/* A read of the device gives one record; of a pipe, whatever has come: records then begin where a line does
 * not begin with a blank. */
static void take_text(struct kernel_log *log, char *text)
{
        while (*text) {
                char *end = text, *next;

                do {
                        end += strcspn(end, "\n");
                        next = *end ? end + 1 : end;
                        end = next;
                } while (*next == ' ');
                if (next > text && *next)
                        next[-1] = '\0';
                take_record(log, text);
                text = next;
        }
}

static void stop(struct kernel_log *log)
{
        log->source = sd_event_source_disable_unref(log->source);
        log->resume = sd_event_source_disable_unref(log->resume);
        closep(&log->fd);
        log->fd = -EBADF;
}

/* Returns 1 for a record or more, 0 when there is none now, or -errno when it cannot go on. */
static int read_once(struct kernel_log *log)
{
        ssize_t n = read(log->fd, log->buffer, sizeof(log->buffer) - 1);

        if (n > 0) {
                log->buffer[n] = '\0';
                take_text(log, log->buffer);
                return 1;
        }
        if (n == 0)
                return -ENODATA;
        switch (errno) {
        case EPIPE: /* overwritten; the next read gives the oldest that is left */
                log->overruns++;
                return 1;
        case EINTR:
                return 1;
        case EAGAIN:
                return 0;
        default:
                return -errno;
        }
}

/* Reads at most so many. Returns as read_once. */
static int read_up_to(struct kernel_log *log, unsigned count)
{
        int r = 1;

        for (unsigned i = 0; i < count && r > 0; i++)
                r = read_once(log);
        return r;
}

static int on_readable(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
        struct kernel_log *log = userdata;
        int r;

        (void)source;
        (void)fd;
        (void)events;
        r = read_up_to(log, BATCH);
        if (r < 0) {
                stop(log); /* the next run of a check opens it anew: never a hot loop */
                return 0;
        }
        if (r > 0 && sd_event_source_set_time_relative(log->resume, PAUSE_USEC) >= 0 &&
            sd_event_source_set_enabled(log->resume, SD_EVENT_ONESHOT) >= 0)
                (void)sd_event_source_set_enabled(log->source, SD_EVENT_OFF);
        return 0;
}

static int on_resume(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct kernel_log *log = userdata;

        (void)source;
        (void)usec;
        (void)sd_event_source_set_enabled(log->source, SD_EVENT_ON);
        return 0;
}

static int add_sources(struct kernel_log *log, sd_event *event)
{
        int r;

        r = sd_event_add_io(event, &log->source, log->fd, EPOLLIN, on_readable, log);
        if (r == -EPERM)
                return -ENOENT; /* what cannot be waited for is no log, but /dev/null in its place */
        if (r < 0)
                return r;
        /* After everything else: a flood must not hold up the checks. */
        r = sd_event_source_set_priority(log->source, SD_EVENT_PRIORITY_IDLE);
        if (r < 0)
                return r;
        r = sd_event_add_time(event, &log->resume, CLOCK_MONOTONIC, 0, ACCURACY_USEC, on_resume, log);
        if (r < 0)
                return r;
        return sd_event_source_set_enabled(log->resume, SD_EVENT_OFF);
}

static int start(struct kernel_log *log, sd_event *event)
{
        int r;

        log->fd = open(log->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
        if (log->fd < 0)
                return -errno;
        r = add_sources(log, event);
        if (r >= 0)
                r = read_up_to(log, CATCH_UP_MAX);
        if (r < 0)
                stop(log);
        return r < 0 ? r : 0;
}

int kernel_log_follow(struct kernel_log *log, sd_event *event, const char *root,
                      const struct config_strings *own)
{
        if (now_boottime_usec() >= log->devices_until_usec) {
                log->n_devices = node_disks_find(root, own, log->devices, KERNEL_DEVICES_MAX);
                log->devices_until_usec = now_boottime_usec() + DEVICES_KEPT_USEC;
        }
        if (log->fd >= 0)
                return 0;
        if (!log->path) {
                log->path = path_under(root, "/dev/kmsg");
                log->state_path = path_under(root, STATE_PATH);
                if (!log->path || !log->state_path)
                        return -ENOMEM;
                (void)kernel_log_load(log); /* without it, the kernel's buffer is read from its beginning */
        }
        return start(log, event);
}

void kernel_log_close(struct kernel_log *log)
{
        if (log->state_path)
                (void)kernel_log_save(log);
        stop(log);
        free(log->path);
        free(log->state_path);
        log->path = log->state_path = NULL;
}
