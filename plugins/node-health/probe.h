/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* System calls that may hang (a file system whose disk or server is gone) run in a short-lived child, so that
 * the event loop never waits for them. A child in uninterruptible sleep cannot be killed; it is remembered,
 * and no second one is started beside it. */

#include <sys/types.h>
#include <systemd/sd-event.h>

#define PROBE_ANSWER_MAX 4096 /* PIPE_BUF: the child's one write cannot block or be torn */

/* In the child: writes the answer to fd, in one write of at most PROBE_ANSWER_MAX bytes. */
typedef void (*probe_work_fn)(int fd, void *userdata);
/* In the parent: what the child wrote; size 0 when it died without an answer. */
typedef void (*probe_done_fn)(const void *answer, size_t size, void *userdata);

struct probe {
        pid_t pid; /* of the child that was not reaped yet; 0: none */
        int fd;
        sd_event_source *source;
        char answer[PROBE_ANSWER_MAX];
        size_t size;
        probe_done_fn done;
        void *userdata;
};
#define PROBE_NONE           \
        {                    \
                .fd = -EBADF \
        }

/* Returns 0, -EBUSY when the child of an earlier probe still hangs, or another -errno. done is called once,
 * from the event loop, unless the probe is stopped. */
int probe_start(struct probe *probe, sd_event *event, probe_work_fn work, probe_done_fn done, void *userdata);

/* Kills the child, and forgets its answer. */
void probe_stop(struct probe *probe);
