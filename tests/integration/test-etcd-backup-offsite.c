/* SPDX-License-Identifier: Apache-2.0 */

/* Whole runs, with each version of etcd, and a target at an S3 server that does what no good one does. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "backup-node.h"
#include "files.h"
#include "offsite.h"
#include "program.h"

#define ANSWER(status, code)                               \
        "HTTP/1.1 " status "\r\nConnection: close\r\n\r\n" \
        "<Error><Code>" code "</Code><Message>no</Message></Error>"

static const struct wrong {
        const char *name, *reason;
        struct fault fault;
} wrongs[] = {
        { "403", "AccessDenied", { .answer = REFUSAL } },
        { "a storm of 503", "TargetFailing", { .answer = ANSWER("503 Service Unavailable", "SlowDown") } },
        { "a storm of 500",
          "TargetFailing",
          { .method = "PUT", .answer = ANSWER("500 Internal Server Error", "InternalError") } },
        { "the first part is cut",
          "TargetUnreachable",
          { .method = "PUT", .match = "partNumber=1", .body_bytes = 100000 } },
        { "the last part is cut",
          "TargetUnreachable",
          { .method = "PUT", .match = "partNumber=2", .body_bytes = 100000 } },
        { "a part that stands still",
          "TargetUnreachable",
          { .method = "PUT", .match = "partNumber=2", .body_bytes = 100000, .stall = true } },
        { "an error within a 200",
          "AccessDenied",
          { .method = "POST", .match = "uploadId=", .answer = ANSWER("200 OK", "AccessDenied") } },
        { "another object than was sent",
          "StoredDifferently",
          { .method = "HEAD",
            .answer = "HTTP/1.1 200 OK\r\nContent-Length: 999\r\nConnection: close\r\n\r\n" } },
        { "a listing that is cut",
          "BadListing",
          { .match = "list-type=2",
            .answer = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n<ListBucketResult>" } },
};

static size_t count_whole_there(void)
{
        _cleanup_(store_closep) struct store *store = open_store();
        _cleanup_copies_ copies = {};
        size_t whole = 0;

        assert_int_equal(store_list(store, CLUSTER, NULL, &copies, NULL), 0);
        for (size_t i = 0; i < copies.count; i++)
                whole += copies.items[i].whole;
        return whole;
}

static void whatever_the_server_does_no_copy_is_lost_and_the_next_run_succeeds(void **state)
{
        _cleanup_free_ char *two = offsite_keeping("{ \"keepLast\": 2 }");

        configure("{ \"name\": \"local\", \"path\": \"/" SNAPSHOTS
                  "\", \"retention\": { \"keepLast\": 2 } }, %s",
                  two);
        for (unsigned i = 0; i < 2; i++)
                assert_int_equal(take_snapshot(), 0);
        (void)start_daemon();
        wait_for_message("is verified");
        for (size_t i = 0; i < ELEMENTS(wrongs); i++) {
                struct fault fault = { .method = wrongs[i].fault.method,
                                       .match = wrongs[i].fault.match,
                                       .answer = wrongs[i].fault.answer,
                                       .body_bytes = wrongs[i].fault.body_bytes,
                                       .stall = wrongs[i].fault.stall };

                print_message("# %s\n", wrongs[i].name);
                offsite_proxy.fault = &fault;
                program_stall_after(fault.stall ? "4" : NULL);
                assert_int_equal(program_wait(program_start(ETCD_SNAPSHOT_FAULTS,
                                                            (const char *[]){ "--root", root, NULL })),
                                 1);
                program_stall_after(NULL);
                offsite_proxy.fault = NULL;
                assert_last_run(wrongs[i].reason);
                assert_trouble("offsite", wrongs[i].reason);
                assert_only_whole_copies(2);
                assert_int_equal(count_whole_there(), 2);
                wait_for_message("is fresh enough, but the last run failed: target offsite");

                assert_int_equal(take_snapshot(), 0);
                assert_last_run("VerifiedCopyTaken");
                assert_trouble("offsite", NULL);
                assert_only_whole_copies(2);
                assert_arrived(2); /* and nothing else */
                wait_for_message("is verified");
        }
}

#define LOCKED                                                \
        "HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n" \
        "<Error><Code>AccessDenied</Code><Message>Object is protected by object lock.</Message></Error>"

static void what_an_object_lock_keeps_is_tried_again_and_fails_no_run(void **state)
{
        _cleanup_free_ char *one = offsite_keeping("{ \"keepLast\": 1 }");
        struct fault locked = { .method = "DELETE", .answer = LOCKED };

        configure("%s", one);
        (void)start_daemon();
        offsite_proxy.fault = &locked;
        for (unsigned i = 0; i < 2; i++)
                assert_int_equal(take_snapshot(), 0);
        assert_true(atomic_load(&locked.seen) > 0);
        assert_arrived(2);
        wait_for_condition(CONDITION_TRUE, "VerifiedCopyFresh");
        offsite_proxy.fault = NULL;
        assert_int_equal(take_snapshot(), 0);
        assert_arrived(1);
        wait_for_condition(CONDITION_TRUE, "VerifiedCopyFresh");
}

/* Two parts, of what the build for tests makes. */
#define MIB 6

static int set_up(void **state)
{
        static const char *running;
        const char *suite = *state;

        if (!running || strcmp(running, suite) != 0)
                backup_node_use(suite, MIB, true);
        running = suite;
        return offsite_begin(state);
}

static int tear_down(void **state)
{
        (void)stop_daemon(SIGTERM);
        return 0;
}

#define OFFSITE_TEST(suite, f) TEST_OF(suite, f, set_up, tear_down)
#define OFFSITE_TESTS(suite)                                                                     \
        OFFSITE_TEST(suite, whatever_the_server_does_no_copy_is_lost_and_the_next_run_succeeds), \
                OFFSITE_TEST(suite, what_an_object_lock_keeps_is_tried_again_and_fails_no_run)

int main(void)
{
        static const struct CMUnitTest tests[] = {
                OFFSITE_TESTS("bookworm"),
                OFFSITE_TESTS("trixie"),
                OFFSITE_TESTS("sid"),
        };

        return cmocka_run_group_tests(tests, offsite_set_up, offsite_tear_down);
}
