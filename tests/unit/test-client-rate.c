/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "quantity.h"
#include "../../agent/gateway/client-rate.c"

#define NOW (1000 * USEC_PER_SEC)

static const uint8_t *client(unsigned number)
{
        static uint8_t id[CLIENT_ID_SIZE];

        memset(id, 0, sizeof(id));
        memcpy(id, &number, sizeof(number));
        return id;
}

static void a_burst_is_served_and_then_the_rate_holds(void **state)
{
        struct client_rates rates = {};
        unsigned served = 0;

        for (unsigned i = 0; i < 100; i++)
                served += client_rate_take(&rates, client(1), NOW, 10, 20) == 0;
        assert_int_equal(served, 20);
        assert_int_equal(client_rate_take(&rates, client(1), NOW, 10, 20), USEC_PER_SEC / 10);

        /* Ten minutes of asking a hundred times a second. */
        served = 0;
        for (unsigned i = 1; i <= 60000; i++)
                served += client_rate_take(&rates, client(1), NOW + i * 10 * USEC_PER_MSEC, 10, 20) == 0;
        assert_int_equal(served, 6000);
}

static void quiet_gives_the_burst_back(void **state)
{
        struct client_rates rates = {};

        for (unsigned i = 0; i < 100; i++)
                (void)client_rate_take(&rates, client(1), NOW, 10, 20);
        assert_int_equal(client_rate_take(&rates, client(1), NOW + 2 * USEC_PER_SEC, 10, 20), 0);
        for (unsigned i = 1; i < 20; i++)
                assert_int_equal(client_rate_take(&rates, client(1), NOW + 2 * USEC_PER_SEC, 10, 20), 0);
        assert_true(client_rate_take(&rates, client(1), NOW + 2 * USEC_PER_SEC, 10, 20) > 0);
}

static void one_client_takes_nothing_from_another_even_among_thousands(void **state)
{
        struct client_rates rates = {};

        for (unsigned i = 0; i < 25; i++)
                (void)client_rate_take(&rates, client(0), NOW, 10, 20);
        for (unsigned i = 1; i < 5000; i++) {
                assert_int_equal(client_rate_take(&rates, client(i), NOW, 10, 20), 0);
                assert_true(client_rate_take(&rates, client(0), NOW, 10, 20) > 0);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_burst_is_served_and_then_the_rate_holds),
                cmocka_unit_test(quiet_gives_the_burst_back),
                cmocka_unit_test(one_client_takes_nothing_from_another_even_among_thousands),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
