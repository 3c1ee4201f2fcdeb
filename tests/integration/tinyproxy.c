/* SPDX-License-Identifier: Apache-2.0 */

#include "tinyproxy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "files.h"
#include "program.h"

static struct sockaddr_in loopback(unsigned port)
{
        return (struct sockaddr_in){ .sin_family = AF_INET,
                                     .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                     .sin_port = htons((uint16_t)port) };
}

static bool answers(void *userdata)
{
        const struct tinyproxy *proxy = userdata;
        struct sockaddr_in address = loopback(proxy->port);
        _cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        return connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
}

void tinyproxy_start(struct tinyproxy *proxy, const char *root, const char *rule)
{
        _cleanup_free_ char *path = path_under(root, "/tinyproxy.conf"), *text = NULL;

        *proxy = (struct tinyproxy){ .root = root, .port = free_port() };
        (void)snprintf(proxy->url, sizeof(proxy->url), "http://127.0.0.1:%u", proxy->port);
        assert_true(asprintf(&text,
                             "Port %u\nListen 127.0.0.1\nTimeout 60\nMaxClients 20\nAllow 127.0.0.1\n"
                             "LogLevel Connect\nLogFile \"%s/tinyproxy.log\"\n%s\n",
                             proxy->port, root, rule) > 0);
        root_write(root, "tinyproxy.conf", text, 0644);
        root_write(root, "tinyproxy.log", "", 0666);
        proxy->pid = program_start("/usr/bin/tinyproxy", (const char *[]){ "-d", "-c", path, NULL });
        wait_until(answers, proxy, "tinyproxy");
}

void tinyproxy_stop(struct tinyproxy *proxy)
{
        if (proxy->pid > 0)
                (void)program_stop(proxy->pid, SIGKILL);
        proxy->pid = 0;
}

void tinyproxy_assert_passed(const struct tinyproxy *proxy, const char *request)
{
        _cleanup_free_ char *log = root_read(proxy->root, "tinyproxy.log");

        if (!strstr(log, request))
                fail_msg("\"%s\" is not in: %s", request, log);
}
