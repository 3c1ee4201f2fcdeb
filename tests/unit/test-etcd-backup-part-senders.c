/* SPDX-License-Identifier: Apache-2.0 */

/* The threads that send parts at once, with a server that is a function. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <poll.h>
#include <semaphore.h>
#include <string.h>
#include <time.h>

#include "part-senders.c"

struct s3 {
        const struct interrupt *interrupt;
        const atomic_bool *ending;
};

static atomic_bool is_asked_to_stop;

int s3_open_beside(struct s3 *first, const struct interrupt *interrupt, const atomic_bool *ending,
                   struct s3 **ret)
{
        struct s3 *s3 = calloc(1, sizeof(*s3));

        assert_non_null(s3);
        *s3 = (struct s3){ interrupt, ending };
        *ret = s3;
        return 0;
}

struct s3 *s3_close(struct s3 *s3)
{
        free(s3);
        return NULL;
}

bool s3_interrupted(const struct s3 *s3)
{
        return atomic_load(&is_asked_to_stop);
}

#define PARTS 100

struct server {
        atomic_uint begun[PARTS], ended;
        sem_t arrived, go; /* of those who wait for each other */
        size_t refused;    /* this part */
};

static int set_up(void **state)
{
        static struct server server;

        server = (struct server){ .refused = PARTS };
        sem_init(&server.arrived, 0, 0);
        sem_init(&server.go, 0, 0);
        atomic_store(&is_asked_to_stop, false);
        *state = &server;
        return 0;
}

/* Adds parts until one is refused, and returns what the end is. */
static int send_all(struct server *server, part_send_fn send, struct failure *failure)
{
        _cleanup_(part_senders_freep) struct part_senders *senders = NULL;
        int r = 0;

        assert_int_equal(part_senders_new(NULL, send, server, &senders), 0);
        for (size_t i = 0; i < PARTS && r >= 0; i++)
                r = part_senders_add(senders);
        r = part_senders_finish(senders, failure);
        if (r >= 0)
                assert_int_equal(part_senders_done(senders), PARTS);
        return r;
}

static int take_part(struct s3 *s3, size_t i, void *userdata, struct failure *failure)
{
        struct server *server = userdata;

        atomic_fetch_add(&server->begun[i], 1);
        if (i == server->refused)
                return failure_set(failure, -EACCES, "AccessDenied", "part %zu is refused", i);
        atomic_fetch_add(&server->ended, 1);
        return 0;
}

static void each_part_is_sent_once(void **state)
{
        struct server *server = *state;

        assert_int_equal(send_all(server, take_part, NULL), 0);
        for (size_t i = 0; i < PARTS; i++)
                assert_int_equal(atomic_load(&server->begun[i]), 1);
}

/* What comes behind the refused part ends when the refusal is known to all, or at the deadline. */
static int take_part_late(struct s3 *s3, size_t i, void *userdata, struct failure *failure)
{
        const struct server *server = userdata;

        for (unsigned ms = 0; i > server->refused && !atomic_load(s3->ending) && ms < 60 * 1000; ms++)
                poll(NULL, 0, 1);
        return take_part(s3, i, userdata, failure);
}

static void the_first_error_is_told_and_no_part_is_begun_after_it(void **state)
{
        struct server *server = *state;
        _cleanup_failure_ failure = {};
        size_t begun = 0;

        server->refused = 7;
        assert_int_equal(send_all(server, take_part_late, &failure), -EACCES);
        assert_string_equal(failure.message, "part 7 is refused");
        for (size_t i = 0; i < PARTS; i++)
                begun += atomic_load(&server->begun[i]);
        assert_in_range(begun, 8, 7 + SENDERS);
        assert_int_equal(atomic_load(&server->ended), begun - 1); /* what was under way came to its end */
}

/* As many as there are threads, or the deadline passes. */
static int meet(struct s3 *s3, size_t i, void *userdata, struct failure *failure)
{
        struct server *server = userdata;
        struct timespec deadline;
        int value;

        sem_post(&server->arrived);
        if (sem_getvalue(&server->arrived, &value) == 0 && value == SENDERS)
                for (unsigned n = 0; n < PARTS; n++)
                        sem_post(&server->go);
        clock_gettime(CLOCK_REALTIME, &deadline);
        deadline.tv_sec += 60;
        return sem_timedwait(&server->go, &deadline) < 0 ? -errno : 0;
}

static void several_are_sent_at_once(void **state)
{
        assert_int_equal(send_all(*state, meet, NULL), 0);
}

static int linger(struct s3 *s3, size_t i, void *userdata, struct failure *failure)
{
        atomic_store(&is_asked_to_stop, true);
        while (!interrupted(s3->interrupt))
                ;
        assert_true(atomic_load(s3->ending));
        return -ECANCELED;
}

static void an_interrupt_ends_what_is_under_way(void **state)
{
        _cleanup_failure_ failure = {};

        assert_int_equal(send_all(*state, linger, &failure), -ECANCELED);
        assert_string_equal(failure.reason, "Canceled");
}

/* As when the file cannot be read any more. */
static void freeing_ends_what_is_under_way(void **state)
{
        _cleanup_(part_senders_freep) struct part_senders *senders = NULL;

        assert_int_equal(part_senders_new(NULL, linger, *state, &senders), 0);
        assert_int_equal(part_senders_add(senders), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, set_up)
        static const struct CMUnitTest tests[] = {
                TEST(each_part_is_sent_once),
                TEST(the_first_error_is_told_and_no_part_is_begun_after_it),
                TEST(several_are_sent_at_once),
                TEST(an_interrupt_ends_what_is_under_way),
                TEST(freeing_ends_what_is_under_way),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
