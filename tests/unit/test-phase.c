/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "cleanup.h"
#include "phase.h"
#include "quantity.h"

#define INTERVAL_USEC (30 * USEC_PER_SEC)

static void the_phase_is_stable_for_a_node_and_a_check(void **state)
{
        uint64_t phase = phase_of("4dd0b1a4a9c64a0b8a3f2a9d3e1c5b77", "kubelet", INTERVAL_USEC);

        /* A constant of the product: an upgrade must not move the checks of a fleet. */
        assert_int_equal(phase, 0x14a1dec);
        assert_int_not_equal(phase,
                             phase_of("4dd0b1a4a9c64a0b8a3f2a9d3e1c5b77", "containerd", INTERVAL_USEC));
}

static void the_phases_of_many_nodes_are_spread(void **state)
{
        unsigned tenths[10] = {};

        for (unsigned node = 0; node < 10000; node++) {
                char name[32];
                uint64_t phase;

                (void)snprintf(name, sizeof(name), "worker-%u", node);
                phase = phase_of(name, "disk-space", INTERVAL_USEC);
                assert_true(phase < INTERVAL_USEC);
                tenths[phase / (INTERVAL_USEC / 10)]++;
        }
        /* 1000 are expected in each; 5 standard deviations are 150. */
        for (size_t i = 0; i < ELEMENTS(tenths); i++)
                assert_in_range(tenths[i], 850, 1150);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_phase_is_stable_for_a_node_and_a_check),
                cmocka_unit_test(the_phases_of_many_nodes_are_spread),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
