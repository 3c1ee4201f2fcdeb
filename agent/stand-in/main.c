/* SPDX-License-Identifier: Apache-2.0 */

/* What a plugin's process is while the plugin waits (agent/lib/stand-in.h). Not for people:
 *
 *   stand-in EPOLL REPORT REFRESH_USEC PROGRAM [ARGUMENT…]
 *
 * No library but libc, and nothing that is not needed for waiting. */

#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "file-watch.h"
#include "files.h"
#include "report.h"
#include "timestamp.h"

/* sd_notify(3), which would bring libsystemd. */
static int notify_open(void)
{
        const char *path = getenv("NOTIFY_SOCKET");
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        size_t length = path ? strlen(path) : 0;
        _cleanup_close_ int fd = -EBADF;

        if (length == 0 || length >= sizeof(address.sun_path))
                return -ENOENT;
        memcpy(address.sun_path, path, length);
        if (address.sun_path[0] == '@')
                address.sun_path[0] = '\0';
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        if (connect(fd, (struct sockaddr *)&address,
                    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)) < 0)
                return -errno;
        return TAKE_FD(fd);
}

/* "generatedAt", which stands before all that a plugin may write itself. One that cannot be renewed grows
 * old, and the agent says so. */
static void report_renew(const char *path)
{
        static const char key[] = "\"generatedAt\":\"";
        char time[TIMESTAMP_SIZE];
        _cleanup_free_ char *text = NULL;
        char *at;
        size_t size;

        if (file_read(path, REPORT_SIZE_MAX, &text, &size) < 0)
                return;
        at = strstr(text, key);
        timestamp_format(now_realtime_usec(), time);
        if (!at || at[strlen(key)] == '\0' || strcspn(at + strlen(key), "\"") != strlen(time))
                return;
        memcpy(at + strlen(key), time, strlen(time));
        (void)file_write_volatile(path, text, size, 0644);
}

static uint64_t number(const char *text)
{
        return text ? strtoull(text, NULL, 10) : 0;
}

static int refuse(const char *why)
{
        fprintf(stderr, "stand-in: %s\n", why);
        return 64;
}

int main(int argc, char *argv[])
{
        uint64_t refresh, tick, refreshed = now_boottime_usec(), watchdog = number(getenv("WATCHDOG_USEC"));
        struct pollfd plugin = { .events = POLLIN };
        int notify = notify_open();

        if (argc < 5)
                return refuse(
                        "capi-node-agent's plugins run this while they rest; there is nothing to do by hand");
        plugin.fd = (int)number(argv[1]);
        refresh = number(argv[3]);
        tick = watchdog && watchdog / 3 < refresh / 2 ? watchdog / 3 : refresh / 2;
        if (tick < 1000)
                return refuse("WATCHDOG_USEC or REFRESH_USEC is less than 2 ms");

        for (;;) {
                /* At moments that all who stand in share: they wake the machine, and then the agent,
                 * together. */
                uint64_t now = now_boottime_usec();
                int timeout_ms = (int)((tick - now % tick) / 1000 + 1);

                if (poll(&plugin, 1, timeout_ms) != 0)
                        break;
                now = now_boottime_usec();
                if (notify >= 0)
                        (void)send(notify, "WATCHDOG=1", strlen("WATCHDOG=1"), MSG_NOSIGNAL);
                if (now - refreshed >= refresh - tick / 2) {
                        report_renew(argv[2]);
                        refreshed = now;
                }
        }
        /* What changes files seldom changes one, and none at one stroke. */
        (void)usleep(FILE_WATCH_SETTLE_USEC);
        /* The new process looks at everything afresh, with event sources of its own. */
        (void)close_range(3, ~0U, 0);
        execv(argv[4], argv + 4);
        return 1;
}
