/* SPDX-License-Identifier: Apache-2.0 */

/* What an etcd does that no real one can be made to do: the condition's reason tells it, nothing is kept, and
 * the next run succeeds. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "backup-node.h"
#include "fake-etcd.h"
#include "files.h"
#include "program.h"

static int set_up(void **state)
{
        signal(SIGPIPE, SIG_IGN);
        root = root_make();
        return 0;
}

static int tear_down(void **state)
{
        root_remove(root);
        return 0;
}

static void use(const struct fake_etcd *etcd)
{
        char endpoint[64];

        (void)snprintf(endpoint, sizeof(endpoint), "http://127.0.0.1:%u", etcd->port);
        configure_endpoint(endpoint);
}

static void run_against(enum stream_fault fault, unsigned status, const char *reason)
{
        struct fake_etcd bad = { .fault = fault, .status = status }, good = { .fault = FAULT_NONE };
        bool taken = strcmp(reason, "VerifiedCopyTaken") == 0;
        pid_t resident;

        fake_etcd_start(&bad);
        use(&bad);
        assert_true(shell("mkdir -p etc/kubernetes/manifests; echo >etc/kubernetes/manifests/etcd.yaml"));
        resident = start_daemon();
        wait_for_condition(CONDITION_UNKNOWN, "NoBackupYet");
        assert_int_equal(take_snapshot(), taken ? 0 : 1);
        fake_etcd_stop(&bad);
        assert_last_run(reason);
        assert_only_whole_copies(taken);
        wait_for_condition(taken ? CONDITION_TRUE : CONDITION_FALSE,
                           taken ? "VerifiedCopyFresh" : "LastRunFailed");

        fake_etcd_start(&good);
        use(&good);
        assert_int_equal(take_snapshot(), 0);
        fake_etcd_stop(&good);
        assert_last_run("VerifiedCopyTaken");
        assert_only_whole_copies(1u + taken);
        assert_int_equal(run_plugin("verify", "--all"), 0);
        wait_for_condition(CONDITION_TRUE, "VerifiedCopyFresh");
        (void)program_stop(resident, SIGTERM);
}

static void a_stream_without_its_trailer_is_whole_when_its_hash_is_right(void **state)
{
        run_against(FAULT_NO_STATUS, 0, "VerifiedCopyTaken");
}

static void a_stream_in_good_order_without_its_hash_is_no_backup(void **state)
{
        run_against(FAULT_NO_HASH, 0, "StreamBroken");
}

static void a_stream_in_good_order_that_ends_early_is_no_backup(void **state)
{
        run_against(FAULT_CUT, 0, "StreamBroken");
}

static void empty_pieces_for_ever_end(void **state)
{
        run_against(FAULT_ENDLESS_EMPTY, 0, "StreamInvalid");
}

static void a_message_that_is_too_large_is_refused_before_it_comes(void **state)
{
        run_against(FAULT_LARGE_MESSAGE, 0, "MessageTooLarge");
}

static void a_prefix_that_tells_more_than_comes_is_found(void **state)
{
        run_against(FAULT_LONG_PREFIX, 0, "StreamBroken");
}

static void a_compressed_message_that_nobody_asked_for_is_refused(void **state)
{
        run_against(FAULT_COMPRESSED, 0, "ProtocolError");
}

static void resource_exhausted_is_named(void **state)
{
        run_against(FAULT_GRPC_STATUS, 8, "ResourceExhausted");
}

static void unavailable_is_named(void **state)
{
        run_against(FAULT_GRPC_STATUS, 14, "Unavailable");
}

static void unauthenticated_is_named(void **state)
{
        run_against(FAULT_GRPC_STATUS, 16, "Unauthenticated");
}

#define STREAM_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                STREAM_TEST(a_stream_without_its_trailer_is_whole_when_its_hash_is_right),
                STREAM_TEST(a_stream_in_good_order_without_its_hash_is_no_backup),
                STREAM_TEST(a_stream_in_good_order_that_ends_early_is_no_backup),
                STREAM_TEST(empty_pieces_for_ever_end),
                STREAM_TEST(a_message_that_is_too_large_is_refused_before_it_comes),
                STREAM_TEST(a_prefix_that_tells_more_than_comes_is_found),
                STREAM_TEST(a_compressed_message_that_nobody_asked_for_is_refused),
                STREAM_TEST(resource_exhausted_is_named),
                STREAM_TEST(unavailable_is_named),
                STREAM_TEST(unauthenticated_is_named),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
