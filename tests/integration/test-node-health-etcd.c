/* SPDX-License-Identifier: Apache-2.0 */

/* What real etcds say when they are in trouble, and what the real plugin makes of it. Of Debian 13, whose
 * etcd 3.5 names the alarm in /health; that of Debian 12 says no more than "false". */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "etcd.h"
#include "health-node.h"
#include "http-client.h"
#include "program.h"
#include "quantity.h"

#define SUITE "trixie"

static void watch(struct health_node *node, const struct etcd *etcd)
{
        health_node_write_manifest(node, "etcd", "- --listen-metrics-urls=%s\n", etcd->endpoint);
        START(node, "etcd");
}

static void on_posted(struct http_transfer *transfer, int error, void *userdata)
{
        *(long *)userdata = error < 0 ? error : http_status(transfer);
}

/* etcdctl has no way to raise an alarm; etcd's JSON gateway has. */
static void raise_alarm(const struct etcd *etcd, const char *alarm)
{
        struct http_client *http;
        sd_event *event;
        char url[128], body[128];
        long status = 0;

        (void)snprintf(url, sizeof(url), "%s/v3/maintenance/alarm", etcd->endpoint);
        (void)snprintf(body, sizeof(body), "{\"action\":\"ACTIVATE\",\"alarm\":\"%s\"}", alarm);
        assert_int_equal(sd_event_new(&event), 0);
        assert_int_equal(http_client_new(event, &http), 0);
        assert_int_equal(http_start(http,
                                    &(struct http_request){ .method = "POST",
                                                            .url = url,
                                                            .body = body,
                                                            .body_size = strlen(body),
                                                            .userdata = &status },
                                    on_posted, NULL),
                         0);
        while (status == 0)
                assert_true(sd_event_run(event, DEADLINE_SECONDS * USEC_PER_SEC) > 0);
        http_client_free(http);
        sd_event_unref(event);
        assert_int_equal(status, 200);
}

static void a_database_above_its_quota_is_told_and_that_it_can_be_written_again(void **state)
{
        struct health_node *node = *state;
        _cleanup_free_ char *answer = NULL;
        struct etcd etcd;

        etcd_start_of(SUITE, &etcd, node->root, false);
        etcd_put_many(&etcd, "fill", 8, 1024 * 1024);
        etcd_stop(&etcd, SIGTERM);
        assert_int_equal(setenv("ETCD_QUOTA_BACKEND_BYTES", "8388608", true), 0);
        etcd_start_of(SUITE, &etcd, node->root, false);
        assert_int_equal(unsetenv("ETCD_QUOTA_BACKEND_BYTES"), 0);
        answer = etcd_ctl(&etcd, (const char *[]){ "put", "one", "more", NULL });
        assert_non_null(strstr(answer, "database space exceeded"));

        watch(node, &etcd);
        health_node_wait_condition(node, "EtcdReady", "False", "EtcdAlarmNoSpace");
        free(etcd_ctl(&etcd, (const char *[]){ "alarm", "disarm", NULL }));
        health_node_wait_condition(node, "EtcdReady", "True", "EtcdAnswers");
        etcd_stop(&etcd, SIGKILL);
}

static void members_that_disagree_are_told(void **state)
{
        struct health_node *node = *state;
        struct etcd etcd;

        etcd_start_of(SUITE, &etcd, node->root, false);
        watch(node, &etcd);
        health_node_wait_condition(node, "EtcdReady", "True", "EtcdAnswers");
        raise_alarm(&etcd, "CORRUPT");
        health_node_wait_condition(node, "EtcdReady", "False", "EtcdAlarmCorrupt");
        etcd_stop(&etcd, SIGKILL);
}

static void a_member_that_is_left_alone_has_no_leader(void **state)
{
        unsigned ports[] = { free_port(), free_port() };
        char *other_root = root_make(), cluster[128];
        struct health_node *node = *state;
        struct etcd members[2];

        (void)snprintf(cluster, sizeof(cluster), "a=http://127.0.0.1:%u,b=http://127.0.0.1:%u", ports[0],
                       ports[1]);
        etcd_start_member_of(SUITE, &members[0], node->root, "a", ports[0], cluster, false);
        etcd_start_member_of(SUITE, &members[1], other_root, "b", ports[1], cluster, false);
        etcd_wait(&members[0]);
        watch(node, &members[0]);
        health_node_wait_condition(node, "EtcdReady", "True", "EtcdAnswers");

        etcd_stop(&members[1], SIGKILL);
        health_node_wait_condition(node, "EtcdReady", "False", "EtcdNoLeader");
        etcd_stop(&members[0], SIGKILL);
        root_remove(other_root);
}

#define NODE_TEST(test) cmocka_unit_test_setup_teardown(test, health_node_make, health_node_remove)

int main(void)
{
        const struct CMUnitTest tests[] = {
                NODE_TEST(a_database_above_its_quota_is_told_and_that_it_can_be_written_again),
                NODE_TEST(members_that_disagree_are_told),
                NODE_TEST(a_member_that_is_left_alone_has_no_leader),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
