/* SPDX-License-Identifier: Apache-2.0 */

/* A snapshot that dies, wherever that is, and an etcd that stops while it sends. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <stdlib.h>

#include "backup-node.h"
#include "program.h"
#include "proxy.h"
#include "snapshot-states.h"

#define MIDDLE (8u * 1024 * 1024)

static pid_t start_with_faults(void)
{
        return program_start(ETCD_SNAPSHOT_FAULTS, (const char *[]){ "--root", root, NULL });
}

/* Of three copies that are kept, and verified, none is lost before the next one is. */
static void killed_at_any_state_no_copy_is_lost_and_the_next_run_succeeds(void **state)
{
        static const char *const points[] = { SNAPSHOT_STATES };

        for (unsigned i = 0; i < 3; i++)
                assert_int_equal(take_snapshot(), 0);
        for (size_t i = 0; i < ELEMENTS(points); i++) {
                struct copies copies;

                print_message("# killed at %s\n", points[i]);
                assert_int_equal(setenv("CAPI_NODE_FAULT_POINT", points[i], 1), 0);
                assert_int_equal(program_wait(start_with_faults()), -SIGKILL);
                unsetenv("CAPI_NODE_FAULT_POINT");
                copies = load_copies();
                assert_true(copies.count >= 3);
                for (size_t c = 0; c < copies.count; c++)
                        assert_true(copies.items[c].whole);
                copies_clear(&copies);
                assert_int_equal(run_plugin("verify", "--all"), 0);

                assert_int_equal(take_snapshot(), 0);
                assert_last_run("VerifiedCopyTaken");
                assert_only_whole_copies(3);
        }
}

/* grpc-timeout does not end it, and etcd's read transaction lasts as long as the connection. */
static void a_stream_that_stands_still_is_closed(void **state)
{
        static struct proxy proxy;
        pid_t job;

        proxy = (struct proxy){ .target_port = member.port, .hold_at = MIDDLE };
        proxy_start(&proxy);
        configure_port(proxy.port);
        job = start_with_faults();
        proxy_wait_held(&proxy);
        assert_int_equal(kill(member.pid, SIGSTOP), 0);
        proxy_release(&proxy);
        assert_int_equal(program_wait(job), 1);
        assert_int_equal(kill(member.pid, SIGCONT), 0);
        proxy_stop(&proxy);
        assert_last_run("EtcdStalled");
        assert_only_whole_copies(0);

        configure_endpoint(member.endpoint);
        assert_int_equal(take_snapshot(), 0);
        assert_last_run("VerifiedCopyTaken");
        assert_only_whole_copies(1);
}

#define FAULTS_TEST(f) cmocka_unit_test_setup(f, backup_node_reset)

int main(void)
{
        const struct CMUnitTest tests[] = {
                FAULTS_TEST(killed_at_any_state_no_copy_is_lost_and_the_next_run_succeeds),
                FAULTS_TEST(a_stream_that_stands_still_is_closed),
        };

        return cmocka_run_group_tests(tests, backup_node_set_up, backup_node_tear_down);
}
