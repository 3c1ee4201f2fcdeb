/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "gateway-config.h"

#define FILES "\"certFile\":\"/c\",\"keyFile\":\"/k\""
#define ALLOW "\"allow\":{\"commonNames\":[\"management\"]}"

static int parse(const char *text, struct gateway_config **ret, struct failure *failure)
{
        void *config;
        int r;

        r = config_parse(&gateway_config_type, "gateway.json", text, strlen(text), &config, failure);
        if (r >= 0)
                *ret = config;
        return r;
}

static void the_smallest_useful_file_has_sensible_defaults(void **state)
{
        struct gateway_config *config = NULL;

        if (parse("{" ALLOW "}", &config, NULL) < 0) {
                fail_msg("it is refused");
                return;
        }
        assert_int_equal(config->listen.count, 2);
        assert_string_equal(config->listen.items[0], "0.0.0.0:10273");
        assert_string_equal(config->listen.items[1], "[::]:10273");
        assert_string_equal(config->client_ca_file, "/etc/kubernetes/pki/ca.crt");
        assert_int_equal(config->connections, 256);
        assert_int_equal(config->requests_per_second, 100);
        assert_null(config->cert_file);
        assert_int_equal(config->allow.common_names.count, 1);
        assert_int_equal(config->allow.organizations.count, 0);
        config_free(&gateway_config_type, config);
}

static const struct {
        const char *text;
        const char *message; /* part of it */
} refused[] = {
        { "{" FILES "}", "/allow: nobody is allowed" },
        { "{" FILES ",\"allow\":{}}", "/allow: nobody is allowed" },
        { "{" FILES ",\"allow\":{\"commonNames\":[],\"organizations\":[]}}", "/allow: nobody is allowed" },
        { "{" FILES ",\"allow\":{\"commonNames\":[\"*\"]}}", "/allow/commonNames/0" },
        { "{" FILES ",\"allow\":{\"organizations\":[\"capi:*\"]}}", "/allow/organizations/0" },
        { "{" FILES ",\"allow\":{\"commonNames\":[\"\"]}}", "/allow/commonNames/0" },
        { "{" FILES ",\"allow\":{\"commonName\":[\"a\"]}}", "commonNames" },
        { "{\"certFile\":\"/c\"," ALLOW "}", "belong together" },
        { "{" FILES "," ALLOW ",\"requestsPerSecond\":0}", "/requestsPerSecond" },
        { "{\"certFile\":\"c\",\"keyFile\":\"/k\"," ALLOW "}", "/certFile" },
        { "{" FILES "," ALLOW ",\"listen\":[]}", "/listen" },
        { "{" FILES "," ALLOW ",\"listen\":[\"node:10273\"]}", "/listen/0" },
        { "{" FILES "," ALLOW ",\"connections\":7}", "/connections" },
        { "{" FILES "," ALLOW ",\"connections\":4097}", "/connections" },
};

static void says_what_is_wrong_and_where(void **state)
{
        for (size_t i = 0; i < ELEMENTS(refused); i++) {
                _cleanup_failure_ failure = {};
                struct gateway_config *config;

                if (parse(refused[i].text, &config, &failure) != -EINVAL ||
                    !strstr(failure.message, refused[i].message))
                        fail_msg("%s: %s", refused[i].text, failure.message ? failure.message : "taken");
        }
}

static const struct {
        const char *text, *address; /* address NULL: refused */
        uint16_t port;
} listens[] = {
        { "0.0.0.0:10273", "0.0.0.0", 10273 },
        { "192.0.2.1:1", "192.0.2.1", 1 },
        { "[::]:65535", "::", 65535 },
        { "[2001:db8::1]:443", "2001:db8::1", 443 },
        { "[::ffff:192.0.2.1]:443", "::ffff:192.0.2.1", 443 },
        { "", NULL, 0 },
        { ":10273", NULL, 0 },
        { "10273", NULL, 0 },
        { "0.0.0.0", NULL, 0 },
        { "0.0.0.0:", NULL, 0 },
        { "0.0.0.0:0", NULL, 0 },
        { "0.0.0.0:65536", NULL, 0 },
        { "0.0.0.0:010", NULL, 0 },
        { "0.0.0.0:+1", NULL, 0 },
        { "0.0.0.0:1x", NULL, 0 },
        { "::1:443", NULL, 0 },
        { "[::1]443", NULL, 0 },
        { "[::1:443", NULL, 0 },
        { "[:443", NULL, 0 },
        { "[]:443", NULL, 0 },
        { "[0.0.0.0]:443", NULL, 0 },
        { "[fe80::1%eth0]:443", NULL, 0 },
        { "localhost:443", NULL, 0 },
};

static void an_address_to_listen_on_is_numeric_and_has_a_port(void **state)
{
        for (size_t i = 0; i < ELEMENTS(listens); i++) {
                char address[GATEWAY_ADDRESS_SIZE];
                uint16_t port;
                int r = gateway_listen_parse(listens[i].text, address, &port);

                if ((r == 0) != (listens[i].address != NULL))
                        fail_msg("%s: %d", listens[i].text, r);
                if (r < 0)
                        continue;
                assert_string_equal(address, listens[i].address);
                assert_int_equal(port, listens[i].port);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_smallest_useful_file_has_sensible_defaults),
                cmocka_unit_test(says_what_is_wrong_and_where),
                cmocka_unit_test(an_address_to_listen_on_is_numeric_and_has_a_port),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
