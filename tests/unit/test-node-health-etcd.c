/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../plugins/node-health/etcd.c"

/* As etcd 3.4 and 3.5 write it, shortened. */
static const char page[] =
        "# HELP etcd_disk_wal_fsync_duration_seconds The latency distributions of fsync called by WAL.\n"
        "# TYPE etcd_disk_wal_fsync_duration_seconds histogram\n"
        "etcd_disk_wal_fsync_duration_seconds_bucket{le=\"0.001\"} 90\n"
        "etcd_disk_wal_fsync_duration_seconds_bucket{le=\"0.512\"} 98\n"
        "etcd_disk_wal_fsync_duration_seconds_bucket{le=\"1.024\"} 100\n"
        "etcd_disk_wal_fsync_duration_seconds_bucket{le=\"+Inf\"} 100\n"
        "etcd_disk_wal_fsync_duration_seconds_sum 3.1\n"
        "etcd_disk_wal_fsync_duration_seconds_count 100\n"
        "etcd_mvcc_db_total_size_in_bytes 2.0971520e+08\n"
        "etcd_mvcc_db_total_size_in_use_in_bytes 1.048576e+07\n"
        "etcd_server_has_leader 1\n"
        "etcd_server_leader_changes_seen_total 3\n"
        "etcd_server_quota_backend_bytes 2.147483648e+09\n"
        "go_goroutines 112\n";

static struct etcd_metrics read_in_pieces(const char *text, size_t piece)
{
        struct etcd_page reader;

        etcd_page_begin(&reader);
        for (size_t at = 0, size = strlen(text); at < size; at += piece)
                etcd_page_feed(&reader, text + at, size - at < piece ? size - at : piece);
        etcd_page_end(&reader);
        return reader.metrics;
}

static void the_few_metrics_are_found_among_many_in_whatever_pieces_they_come(void **state)
{
        static const size_t pieces[] = { sizeof(page), 1, 7, 64 };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(pieces); i++) {
                struct etcd_metrics metrics = read_in_pieces(page, pieces[i]);

                assert_float_equal(metrics.database_bytes, 209715200, 0);
                assert_float_equal(metrics.database_in_use_bytes, 10485760, 0);
                assert_float_equal(metrics.quota_bytes, 2147483648.0, 0);
                assert_float_equal(metrics.has_leader, 1, 0);
                assert_float_equal(metrics.leader_changes, 3, 0);
                assert_int_equal(metrics.wal_fsync.count, 4);
                assert_int_equal(metrics.backend_commit.count, 0);
        }
        assert_true(isnan(read_in_pieces("", 1).has_leader));
        assert_float_equal(read_in_pieces("etcd_server_has_leader 1", 5).has_leader, 1, 0);
}

static void each_row_that_reads_the_page_reads_its_own(void **state)
{
        static struct node node;
        struct check_run runs[ETCD_READERS_MAX] = { { .node = &node }, { .node = &node }, { .node = &node } };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(runs); i++)
                etcd_page_begin(page_of(&runs[i]));
        assert_int_equal(on_page(NULL, "etcd_server_has_", 16, &runs[0]), 0);
        assert_int_equal(on_page(NULL, "etcd_server_has_leader 0\n", 25, &runs[2]), 0);
        assert_int_equal(on_page(NULL, "leader 1\n", 9, &runs[0]), 0);
        assert_float_equal(page_of(&runs[0])->metrics.has_leader, 1, 0);
        assert_true(isnan(page_of(&runs[1])->metrics.has_leader));
        assert_float_equal(page_of(&runs[2])->metrics.has_leader, 0, 0);

        page_of(&runs[1])->size = PAGE_MAX;
        assert_int_equal(on_page(NULL, "x", 1, &runs[1]), -EFBIG);
}

static void a_quantile_is_that_of_what_came_since_the_look_before(void **state)
{
        struct etcd_histogram none = {}, before = { { 1, 2, INFINITY }, { 10, 10, 10 }, 3 },
                              now = { { 1, 2, INFINITY }, { 10, 20, 20 }, 3 },
                              beyond = { { 1, 2, INFINITY }, { 0, 0, 4 }, 3 };

        (void)state;
        assert_float_equal(etcd_histogram_quantile(&none, &now, 0.25), 0.5, 1e-9);
        assert_float_equal(etcd_histogram_quantile(&before, &now, 0.5), 1.5, 1e-9);
        assert_true(isnan(etcd_histogram_quantile(&now, &now, 0.5)));
        /* etcd has restarted: its counters begin anew. */
        assert_float_equal(etcd_histogram_quantile(&now, &before, 0.5), 0.5, 1e-9);
        /* What is beyond the last bound took at least that long. */
        assert_float_equal(etcd_histogram_quantile(&none, &beyond, 0.99), 2, 0);
        assert_true(isnan(etcd_histogram_quantile(&none, &none, 0.99)));
}

static void check_health(const char *body, enum check_status status, const char *reason)
{
        struct check_result result;

        judge_health(body, &result);
        assert_int_equal(result.status, status);
        assert_string_equal(result.reason, reason);
}

static void an_alarm_is_named(void **state)
{
        (void)state;
        check_health("{\"health\":\"true\"}", CHECK_OK, "EtcdAnswers");
        check_health("{\"health\":\"true\",\"reason\":\"\"}", CHECK_OK, "EtcdAnswers");
        check_health("{\"health\":\"false\",\"reason\":\"ALARM NOSPACE\"}", CHECK_FAIL, "EtcdAlarmNoSpace");
        check_health("{\"health\":\"false\",\"reason\":\"ALARM CORRUPT\"}", CHECK_FAIL, "EtcdAlarmCorrupt");
        check_health("{\"health\":\"false\",\"reason\":\"RAFT NO LEADER\"}", CHECK_FAIL, "EtcdNoLeader");
        check_health("{\"health\":\"false\"}", CHECK_FAIL, "EtcdUnhealthy");
        check_health("<html>", CHECK_FAIL, "EtcdUnhealthy");
}

static void check_database(double bytes, double in_use, enum check_status status, const char *reason)
{
        static const struct database_config limits = { .warn = 0.8, .fail = 0.95 };
        struct etcd_metrics metrics = { .database_bytes = bytes,
                                        .database_in_use_bytes = in_use,
                                        .quota_bytes = 1000.0 * 1024 * 1024 };
        struct check_result result;

        judge_database(&metrics, &limits, &result);
        assert_int_equal(result.status, status);
        assert_string_equal(result.reason, reason);
}

static void a_database_near_its_quota_or_mostly_empty_is_told(void **state)
{
        const double mebi = 1024 * 1024;

        (void)state;
        check_database(500 * mebi, 400 * mebi, CHECK_OK, "EtcdDatabaseFits");
        check_database(500 * mebi, 200 * mebi, CHECK_WARN, "EtcdDatabaseFragmented");
        check_database(90 * mebi, 10 * mebi, CHECK_OK, "EtcdDatabaseFits");
        check_database(800 * mebi, 800 * mebi, CHECK_WARN, "EtcdDatabaseLarge");
        check_database(950 * mebi, 100 * mebi, CHECK_FAIL, "EtcdDatabaseFull");
        check_database(NAN, NAN, CHECK_UNKNOWN, "EtcdMetricsMissing");
}

static void leader_changes_count_within_a_quarter_of_an_hour(void **state)
{
        struct etcd_watch watch = { .metrics.leader_changes = 7 };
        uint64_t now_usec = USEC_PER_DAY;

        (void)state;
        /* Those from before the first look are nobody's business. */
        assert_float_equal(note_leader_changes(&watch, now_usec), 0, 0);
        watch.metrics.leader_changes = 11;
        assert_float_equal(note_leader_changes(&watch, now_usec + USEC_PER_MIN), 4, 0);
        for (unsigned minute = 2; minute < 15; minute++)
                assert_float_equal(note_leader_changes(&watch, now_usec + minute * USEC_PER_MIN), 4, 0);
        assert_float_equal(note_leader_changes(&watch, now_usec + 17 * USEC_PER_MIN), 0, 0);
        /* A new process counts from zero. */
        watch.metrics.leader_changes = 1;
        assert_float_equal(note_leader_changes(&watch, now_usec + 18 * USEC_PER_MIN), 0, 0);
}

static void a_slow_disk_warns_and_a_very_slow_one_fails(void **state)
{
        static const struct latency_config limits = { .warn_usec = 500 * USEC_PER_MSEC,
                                                      .fail_usec = USEC_PER_SEC };
        struct etcd_watch watch = { .wal_fsync_p99_seconds = 0.01, .backend_commit_p99_seconds = 0.02 };
        struct check_result result;

        (void)state;
        judge_latency(&watch, &limits, &result);
        assert_int_equal(result.status, CHECK_OK);
        watch.backend_commit_p99_seconds = 0.3;
        judge_latency(&watch, &limits, &result);
        assert_int_equal(result.status, CHECK_WARN);
        watch.wal_fsync_p99_seconds = 1.5;
        judge_latency(&watch, &limits, &result);
        assert_int_equal(result.status, CHECK_FAIL);
        assert_string_equal(result.reason, "EtcdDiskSlow");
        /* An idle etcd writes nothing. */
        watch = (struct etcd_watch){ .wal_fsync_p99_seconds = NAN, .backend_commit_p99_seconds = NAN };
        judge_latency(&watch, &limits, &result);
        assert_int_equal(result.status, CHECK_OK);
}

static void the_worst_that_etcd_maintenance_says_counts(void **state)
{
        struct condition conditions[] = {
                { .reason = "Good", .message = "good", .status = CONDITION_TRUE, .severity = SEVERITY_FATAL },
                { .reason = "Late",
                  .message = "late",
                  .status = CONDITION_FALSE,
                  .severity = SEVERITY_WARNING },
                { .reason = "Corrupt",
                  .message = "corrupt",
                  .status = CONDITION_FALSE,
                  .severity = SEVERITY_FATAL },
        };
        struct report report = { .conditions = conditions, .n_conditions = 1 };
        struct check_result result;

        (void)state;
        judge_maintenance(&report, &result);
        assert_int_equal(result.status, CHECK_OK);
        report.n_conditions = 2;
        judge_maintenance(&report, &result);
        assert_int_equal(result.status, CHECK_WARN);
        report.n_conditions = 3;
        judge_maintenance(&report, &result);
        assert_int_equal(result.status, CHECK_FAIL);
        assert_string_equal(result.reason, "Corrupt");
}

static void a_report_of_etcd_maintenance_that_stays_the_same_is_silent_after_its_time(void **state)
{
        struct report report = { .generated_usec = 1, .valid_for_usec = USEC_PER_MIN };
        struct etcd_watch watch = {};

        (void)state;
        assert_false(is_silent(&watch, &report, USEC_PER_HOUR));
        assert_false(is_silent(&watch, &report, USEC_PER_HOUR + USEC_PER_MIN));
        assert_true(is_silent(&watch, &report, USEC_PER_HOUR + 2 * USEC_PER_MIN));
        report.generated_usec = 0; /* written under a clock that was set back */
        assert_false(is_silent(&watch, &report, USEC_PER_HOUR + 3 * USEC_PER_MIN));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_few_metrics_are_found_among_many_in_whatever_pieces_they_come),
                cmocka_unit_test(each_row_that_reads_the_page_reads_its_own),
                cmocka_unit_test(a_quantile_is_that_of_what_came_since_the_look_before),
                cmocka_unit_test(an_alarm_is_named),
                cmocka_unit_test(a_database_near_its_quota_or_mostly_empty_is_told),
                cmocka_unit_test(leader_changes_count_within_a_quarter_of_an_hour),
                cmocka_unit_test(a_slow_disk_warns_and_a_very_slow_one_fails),
                cmocka_unit_test(the_worst_that_etcd_maintenance_says_counts),
                cmocka_unit_test(a_report_of_etcd_maintenance_that_stays_the_same_is_silent_after_its_time),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
