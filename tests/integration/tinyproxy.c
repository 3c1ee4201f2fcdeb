/* SPDX-License-Identifier: Apache-2.0 */

#include "tinyproxy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after the standard headers that it needs */
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "cleanup.h"
#include "program.h"

static int dial_port(unsigned port)
{
        const struct sockaddr_in address = { .sin_family = AF_INET,
                                             .sin_port = htons((uint16_t)port),
                                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_true(fd >= 0);
        if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
                return fd;
        close(fd);
        return -1;
}

static bool listens(void *userdata)
{
        _cleanup_close_ int fd = dial_port(((struct tinyproxy *)userdata)->port);

        return fd >= 0;
}

static unsigned any_port(void)
{
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        _cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        socklen_t size = sizeof(address);

        assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
        assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
        return ntohs(address.sin_port);
}

void tinyproxy_start(struct tinyproxy *proxy)
{
        _cleanup_free_ char *text = NULL, *path = NULL;

        if (proxy->port == 0)
                proxy->port = any_port();
        assert_true(asprintf(&text, "Port %u\nListen 127.0.0.1\nTimeout 20\nConnectPort %u\n%s%s\n",
                             proxy->port, proxy->connect_port, proxy->credentials ? "BasicAuth " : "",
                             proxy->credentials ?: "") > 0);
        root_write(proxy->root, "tinyproxy.conf", text, 0600);
        assert_true(asprintf(&path, "%s/tinyproxy.conf", proxy->root) > 0);
        proxy->pid = program_start("/usr/bin/tinyproxy", (const char *const[]){ "-d", "-c", path, NULL });
        wait_until(listens, proxy, "tinyproxy listens");
}

void tinyproxy_stop(struct tinyproxy *proxy)
{
        if (proxy->pid > 0)
                (void)program_stop(proxy->pid, SIGTERM);
        proxy->pid = 0;
}
