/* SPDX-License-Identifier: Apache-2.0 */

/* Which member of a cluster is a source, with 3.4 and 3.5. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "backup-node.h"
#include "json.h"
#include "last-run.h"
#include "program.h"
#include "quantity.h"

#define MEMBERS 3

static char *roots[MEMBERS];
static struct etcd members[MEMBERS];

static int set_up(void **state)
{
        for (unsigned i = 0; i < MEMBERS; i++)
                roots[i] = root_make();
        return 0;
}

static int tear_down(void **state)
{
        for (unsigned i = 0; i < MEMBERS; i++) {
                etcd_stop(&members[i], SIGKILL);
                root_remove(roots[i]);
        }
        return 0;
}

static void use_member(unsigned i)
{
        root = roots[i];
        configure_endpoint(members[i].endpoint);
}

static void without_quorum_a_member_is_still_a_source(void **state)
{
        const unsigned ports[] = { free_port(), free_port(), free_port() };
        static const char *const names[] = { "a", "b", "c" };
        char cluster[256];

        (void)snprintf(cluster, sizeof(cluster),
                       "a=http://127.0.0.1:%u,b=http://127.0.0.1:%u,c=http://127.0.0.1:%u", ports[0],
                       ports[1], ports[2]);
        for (unsigned i = 0; i < MEMBERS; i++)
                etcd_start_member_of(*state, &members[i], roots[i], names[i], ports[i], cluster, false);
        for (unsigned i = 0; i < MEMBERS; i++)
                etcd_wait(&members[i]);
        etcd_put_many(&members[0], "registry/some", 100, 1000);
        use_member(0);
        assert_int_equal(take_snapshot(), 0);

        etcd_stop(&members[1], SIGKILL);
        etcd_stop(&members[2], SIGKILL);
        assert_int_equal(take_snapshot(), 0);
        assert_last_run("VerifiedCopyTaken");
        assert_only_whole_copies(2);
}

struct learner {
        const char *suite, *cluster;
        unsigned port;
};

static void start_learner(const struct learner *learner)
{
        etcd_start_member_of(learner->suite, &members[1], roots[1], "b", learner->port, learner->cluster,
                             true);
}

/* An etcd that cannot reach the others when it joins ends; on a busy machine they are slow. */
static bool has_ended(const struct etcd *etcd)
{
        siginfo_t info = {};

        return waitid(P_PID, (id_t)etcd->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid > 0;
}

static bool is_known_as_learner(void *userdata)
{
        _cleanup_free_ char *state_dir = under(STATE);
        _cleanup_last_run_ run = {};

        if (has_ended(&members[1])) {
                etcd_stop(&members[1], SIGKILL);
                start_learner(userdata);
                configure_endpoint(members[1].endpoint);
        }
        assert_int_equal(take_snapshot(), 1);
        assert_int_equal(last_run_load(state_dir, &run), 0);
        return strcmp(run.reason, "MemberIsLearner") == 0;
}

static void a_learner_is_no_source(void **state)
{
        _cleanup_free_ char *answer = NULL;
        unsigned port = free_port();
        char url[64], cluster[256];
        struct learner learner;

        etcd_start_of(*state, &members[0], roots[0], false);
        (void)snprintf(url, sizeof(url), "--peer-urls=http://127.0.0.1:%u", port);
        answer = etcd_ctl(&members[0], (const char *[]){ "member", "add", "b", "--learner", url, NULL });
        assert_non_null(strstr(answer, "added to cluster"));
        (void)snprintf(cluster, sizeof(cluster), "default=http://127.0.0.1:%u,b=http://127.0.0.1:%u",
                       members[0].peer_port, port);
        learner = (struct learner){ .suite = *state, .cluster = cluster, .port = port };
        start_learner(&learner);
        use_member(1);
        /* A learner answers no health check. */
        wait_until(is_known_as_learner, &learner, "the learner");
        assert_only_whole_copies(0);
}

/* etcd has no command to raise it, but a call. */
static void raise_corrupt(struct etcd *etcd, uint64_t id)
{
        char *command;

        assert_true(asprintf(&command,
                             "curl -sf %s/v3/maintenance/alarm -d "
                             "'{\"action\":\"ACTIVATE\",\"memberID\":\"%llu\",\"alarm\":\"CORRUPT\"}' >&2",
                             etcd->endpoint, (unsigned long long)id) > 0);
        assert_int_equal(system(command), 0);
        free(command);
}

static uint64_t member_id(struct etcd *etcd)
{
        _cleanup_free_ char *answer =
                etcd_ctl(etcd, (const char *[]){ "endpoint", "status", "-w", "json", NULL });
        _cleanup_json_ json_object *list = json_tokener_parse(answer);
        json_object *status = json_member(json_object_array_get_idx(list, 0), "Status", json_type_object);

        return json_object_get_uint64(
                json_object_object_get(json_member(status, "header", json_type_object), "member_id"));
}

static void a_member_with_the_alarm_corrupt_is_no_source(void **state)
{
        etcd_start_of(*state, &members[0], roots[0], false);
        etcd_put_many(&members[0], "registry/some", 10, 1000);
        use_member(0);
        raise_corrupt(&members[0], member_id(&members[0]) + 1); /* another member's does not matter */
        assert_int_equal(take_snapshot(), 0);

        raise_corrupt(&members[0], member_id(&members[0]));
        assert_int_equal(take_snapshot(), 1);
        assert_last_run("MemberIsCorrupt");
        assert_only_whole_copies(1);
}

#define MEMBERS_TEST(f, suite)                                       \
        {                                                            \
                suite ": " #f, f, set_up, tear_down, (void *)(suite) \
        }
#define MEMBERS_TESTS(suite)                                            \
        MEMBERS_TEST(without_quorum_a_member_is_still_a_source, suite), \
                MEMBERS_TEST(a_learner_is_no_source, suite),            \
                MEMBERS_TEST(a_member_with_the_alarm_corrupt_is_no_source, suite)

int main(void)
{
        const struct CMUnitTest tests[] = { MEMBERS_TESTS("bookworm"), MEMBERS_TESTS("trixie") };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
