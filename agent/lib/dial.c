/* SPDX-License-Identifier: Apache-2.0 */

#include "dial.h"

#include <netdb.h>
#include <string.h>
#include <sys/socket.h>

#include "cleanup.h"

int dial(const char *host, const char *port, int report)
{
        const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
        struct addrinfo *found = NULL;
        int fd = -EBADF, r;

        r = getaddrinfo(host, port, &hints, &found);
        if (r != 0) {
                dprintf(report, "cannot resolve %s: %s\n", host, gai_strerror(r));
                return -EHOSTUNREACH;
        }
        for (const struct addrinfo *a = found; a && fd < 0; a = a->ai_next) {
                fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
                r = fd < 0 ? -errno : 0;
                if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) < 0) {
                        r = -errno;
                        close(fd);
                        fd = -EBADF;
                }
        }
        freeaddrinfo(found);
        if (fd < 0) {
                dprintf(report, "cannot connect to %s port %s: %s\n", host, port, strerror(-r));
                return r;
        }
        return fd;
}
