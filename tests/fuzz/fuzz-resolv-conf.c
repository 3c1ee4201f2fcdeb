/* SPDX-License-Identifier: Apache-2.0 */

/* Any text as /etc/resolv.conf, /etc/hosts and the API server's address. */

#include "fuzz.h"

#include "dns.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_free_ char *text = strndup((const char *)data, size),
                            *hosts = strndup((const char *)data, size);
        static struct dns_watch watch;
        char name[DNS_NAME_SIZE];

        PROMISE(text && hosts);
        (void)host_of(text, name, sizeof(name));
        parse_servers(&watch, text);
        PROMISE(watch.n_servers <= DNS_SERVERS_MAX);
        (void)hosts_has(hosts, "api.example.org");
        return 0;
}
