/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "cleanup.h"
#include "quantity.h"
#include "../../agent/agent/events.h"

#define NOW  (1000 * USEC_PER_SEC)
#define REAL (UINT64_C(1795255200) * USEC_PER_SEC) /* 2026-11-21T10:00:00Z */

struct world {
        struct event_queue queue;
        uint64_t now_usec;
};

static int make_world(void **state)
{
        struct world *world = calloc(1, sizeof(*world));

        world->now_usec = NOW;
        *state = world;
        return 0;
}

static int free_world(void **state)
{
        struct world *world = *state;

        event_queue_clear(&world->queue);
        free(world);
        return 0;
}

static void add(struct world *world, const char *type, const char *status, const char *reason)
{
        _cleanup_json_ json_object *condition = json_object_new_object();

        json_set_string(condition, "type", type);
        json_set_string(condition, "status", status);
        json_set_string(condition, "reason", reason);
        json_set_string(condition, "message", "m");
        json_set_bool(condition, "healthy", strcmp(status, "True") == 0);
        assert_int_equal(event_queue_add(&world->queue, "cp-0", condition, world->now_usec,
                                         REAL + world->now_usec - NOW),
                         0);
}

/* Takes the next, if it is time, and the API server takes it. */
static bool send(struct world *world)
{
        struct event *event = event_queue_take(&world->queue, world->now_usec);

        if (!event)
                return false;
        event_queue_sent(&world->queue, event->name, event->count, true, false, world->now_usec);
        return true;
}

static void a_transition_is_one_event_about_the_node(void **state)
{
        struct world *world = *state;
        _cleanup_json_ json_object *object = NULL;
        json_object *involved;
        struct event *event;

        add(world, "NodeServicesReady", "False", "KubeletDown");
        event = event_queue_take(&world->queue, world->now_usec);
        assert_non_null(event);
        assert_int_equal(event_write(event, "cp-0", "uid-1", &object), 0);
        involved = json_member(object, "involvedObject", json_type_object);
        assert_string_equal(json_string(involved, "kind"), "Node");
        assert_string_equal(json_string(involved, "name"), "cp-0");
        assert_string_equal(json_string(involved, "uid"), "uid-1");
        assert_string_equal(json_string(object, "reason"), "KubeletDown");
        assert_string_equal(json_string(object, "message"), "NodeServicesReady is False: m");
        assert_string_equal(json_string(object, "type"), "Warning");
        assert_string_equal(json_string(object, "firstTimestamp"), "2026-11-21T10:00:00Z");
        event_queue_sent(&world->queue, event->name, event->count, true, false, world->now_usec);
        assert_true(event_queue_due(&world->queue) == UINT64_MAX);
}

static void the_same_within_the_hour_counts_up_and_later_is_a_new_one(void **state)
{
        struct world *world = *state;
        _cleanup_json_ json_object *patch = NULL;
        struct event *event;

        add(world, "X", "False", "Down");
        assert_true(send(world));
        world->now_usec += 30 * USEC_PER_MIN;
        add(world, "X", "False", "Down");
        event = event_queue_take(&world->queue, world->now_usec);
        assert_int_equal(event_write(event, "cp-0", "u", &patch), 0);
        assert_int_equal(json_integer(patch, "count", 0), 2);
        assert_null(json_string(patch, "reason")); /* a patch, nothing else */
        event_queue_sent(&world->queue, event->name, event->count, true, false, world->now_usec);

        world->now_usec += 61 * USEC_PER_MIN;
        add(world, "X", "False", "Down");
        event = event_queue_take(&world->queue, world->now_usec);
        assert_false(event->created);
        assert_int_equal(event->count, 1);
}

static void one_that_the_api_server_forgot_is_made_anew(void **state)
{
        struct world *world = *state;
        struct event *event;

        add(world, "X", "False", "Down");
        assert_true(send(world));
        add(world, "X", "False", "Down");
        event = event_queue_take(&world->queue, world->now_usec);
        event_queue_sent(&world->queue, event->name, event->count, false, true, world->now_usec);
        event = event_queue_take(&world->queue, world->now_usec);
        assert_non_null(event);
        assert_false(event->created);
}

static void a_burst_is_sent_and_then_one_a_minute(void **state)
{
        struct world *world = *state;
        unsigned sent = 0;

        for (unsigned seconds = 0; seconds < 3600; seconds++, world->now_usec += USEC_PER_SEC) {
                add(world, "X", seconds % 2 ? "True" : "False", seconds % 2 ? "Up" : "Down");
                while (send(world))
                        sent++;
        }
        assert_in_range(sent, 60, 60 + EVENTS_BURST);
        /* Two objects carry them all. */
        assert_int_equal(world->queue.items[0].count + world->queue.items[1].count, 3600);
        assert_null(world->queue.items[2].name);
}

static void one_that_is_refused_is_tried_three_times_and_dropped(void **state)
{
        struct world *world = *state;
        unsigned tries = 0;

        add(world, "X", "False", "Down");
        while (event_queue_due(&world->queue) != UINT64_MAX) {
                struct event *event;

                world->now_usec = event_queue_due(&world->queue) > world->now_usec
                                          ? event_queue_due(&world->queue)
                                          : world->now_usec;
                event = event_queue_take(&world->queue, world->now_usec);
                event_queue_sent(&world->queue, event->name, event->count, false, false, world->now_usec);
                tries++;
        }
        assert_int_equal(tries, EVENTS_TRIES);
        assert_int_equal(world->queue.dropped, 1);
        assert_true(world->now_usec - NOW >= 2 * EVENTS_RETRY_USEC);
}

static void more_than_it_remembers_push_out_the_oldest_and_names_never_meet(void **state)
{
        struct world *world = *state;

        for (unsigned i = 0; i < EVENTS_MAX + 4; i++) {
                char type[8];

                (void)snprintf(type, sizeof(type), "T%u", i);
                add(world, type, "False", "Down"); /* all in the same microsecond */
                for (unsigned a = 0; a < EVENTS_MAX; a++)
                        for (unsigned b = 0; b < a; b++)
                                if (world->queue.items[a].name && world->queue.items[b].name)
                                        assert_string_not_equal(world->queue.items[a].name,
                                                                world->queue.items[b].name);
        }
        assert_int_equal(world->queue.dropped, 4);
}

#define PROMISE(promise) cmocka_unit_test_setup_teardown(promise, make_world, free_world)

int main(void)
{
        const struct CMUnitTest tests[] = {
                PROMISE(a_transition_is_one_event_about_the_node),
                PROMISE(the_same_within_the_hour_counts_up_and_later_is_a_new_one),
                PROMISE(one_that_the_api_server_forgot_is_made_anew),
                PROMISE(a_burst_is_sent_and_then_one_a_minute),
                PROMISE(one_that_is_refused_is_tried_three_times_and_dropped),
                PROMISE(more_than_it_remembers_push_out_the_oldest_and_names_never_meet),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
