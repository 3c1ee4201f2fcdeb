/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "cleanup.h"
#include "quantity.h"
#include "../../agent/agent/transitions.h"

struct world {
        struct transitions transitions;
        struct node_object node;
        struct event_queue events;
        uint64_t now_usec;
        char told[256]; /* what was told since the last look: "TYPE STATUS REASON, …" */
};

static int make_world(void **state)
{
        struct world *world = calloc(1, sizeof(*world));

        world->now_usec = 1000 * USEC_PER_SEC;
        assert_int_equal(transitions_learn(&world->transitions, &world->node), 0);
        *state = world;
        return 0;
}

static int free_world(void **state)
{
        struct world *world = *state;

        transitions_clear(&world->transitions);
        event_queue_clear(&world->events);
        free(world);
        return 0;
}

static json_object *make_condition(const char *status, const char *reason)
{
        json_object *condition = json_object_new_object();

        json_set_string(condition, "type", "NodeServicesReady");
        json_set_string(condition, "status", status);
        json_set_string(condition, "reason", reason);
        json_set_string(condition, "message", "m");
        json_set_bool(condition, "healthy", strcmp(status, "True") == 0);
        return condition;
}

static json_object *make_check(const char *status, const char *reason)
{
        json_object *check = json_object_new_object();

        json_set_string(check, "name", "oom");
        json_set_string(check, "status", status);
        json_set_string(check, "reason", reason);
        json_set_string(check, "message", "m");
        return check;
}

static void add_array(json_object *document, const char *key, json_object *element)
{
        json_object *array = json_object_new_array();

        assert_int_equal(json_set(document, key, array), 0);
        assert_int_equal(json_object_array_add(array, element), 0);
}

/* Notes a document of one condition and one check, and takes what is told of it. */
static const char *note(struct world *world, json_object *condition, json_object *check, bool quiet)
{
        _cleanup_json_ json_object *document = json_object_new_object();
        struct event *event;

        add_array(document, "conditions", condition);
        add_array(document, "checks", check);
        world->now_usec += 10 * USEC_PER_MIN;
        assert_int_equal(transitions_note(&world->transitions, &world->node, "cp-0", document, quiet,
                                          &world->events, world->now_usec, world->now_usec),
                         0);
        world->told[0] = '\0';
        while ((event = event_queue_take(&world->events, world->now_usec))) {
                size_t length = strlen(world->told);

                (void)snprintf(world->told + length, sizeof(world->told) - length, "%s%s %s %s %s",
                               length > 0 ? ", " : "", event->good ? "Normal" : "Warning", event->type,
                               event->status, event->reason);
                event_queue_sent(&world->events, event->name, event->count, true, false, world->now_usec);
        }
        return world->told;
}

static const char *check_is(struct world *world, const char *status, const char *reason)
{
        return note(world, make_condition("True", "AllServicesRunning"), make_check(status, reason), false);
}

static void the_first_word_is_no_transition(void **state)
{
        struct world *world = *state;

        assert_string_equal(check_is(world, "Warn", "OOMKilled"), "");
        assert_string_equal(check_is(world, "OK", "NoOOMKills"), "");
}

static void a_check_that_begins_to_warn_is_told_and_so_is_its_end(void **state)
{
        struct world *world = *state;

        assert_string_equal(check_is(world, "Unknown", "NotCheckedYet"), "");
        assert_string_equal(check_is(world, "OK", "NoOOMKills"), "");
        assert_string_equal(check_is(world, "Warn", "OOMKilled"), "Warning oom Warn OOMKilled");
        assert_string_equal(check_is(world, "Warn", "OOMKilled"), "");
        assert_string_equal(check_is(world, "Warn", "NodeServiceOOMKilled"),
                            "Warning oom Warn NodeServiceOOMKilled");
        assert_string_equal(check_is(world, "OK", "NoOOMKills"), "Normal oom OK NoOOMKills");
        assert_string_equal(check_is(world, "OK", "AnotherGoodReason"), "");
}

static void what_is_wrong_from_the_start_is_told_once_it_is_known(void **state)
{
        struct world *world = *state;

        assert_string_equal(check_is(world, "Unknown", "NotConfirmedYet"), "");
        assert_string_equal(check_is(world, "Fail", "ClockNotSynchronized"),
                            "Warning oom Fail ClockNotSynchronized");
}

static void a_moment_without_an_answer_is_no_news(void **state)
{
        struct world *world = *state;

        assert_string_equal(check_is(world, "OK", "NoOOMKills"), "");
        assert_string_equal(check_is(world, "Unknown", "CheckTimedOut"), "");
        assert_string_equal(check_is(world, "OK", "NoOOMKills"), "");
        assert_string_equal(check_is(world, "Warn", "OOMKilled"), "Warning oom Warn OOMKilled");
        assert_string_equal(check_is(world, "Unknown", "PluginSilent"), "");
        assert_string_equal(check_is(world, "Warn", "OOMKilled"), "");
}

static void what_a_condition_tells_is_not_told_twice(void **state)
{
        struct world *world = *state;

        assert_string_equal(check_is(world, "OK", "Fine"), "");
        assert_string_equal(note(world, make_condition("False", "KubeletCrashing"),
                                 make_check("Fail", "KubeletCrashing"), false),
                            "Warning NodeServicesReady False KubeletCrashing");
        assert_string_equal(check_is(world, "OK", "Fine"),
                            "Normal NodeServicesReady True AllServicesRunning");
}

static void while_the_api_server_is_lost_checks_are_only_noted(void **state)
{
        struct world *world = *state;

        assert_string_equal(check_is(world, "OK", "APIEndpointAnswers"), "");
        assert_string_equal(note(world, make_condition("True", "AllServicesRunning"),
                                 make_check("Fail", "APIEndpointNotListening"), true),
                            "");
        assert_string_equal(check_is(world, "Fail", "APIEndpointNotListening"), "");
        assert_string_equal(check_is(world, "OK", "APIEndpointAnswers"), "");
}

static void a_check_of_a_foreign_plugin_without_a_name_is_left_out(void **state)
{
        struct world *world = *state;

        assert_string_equal(note(world, make_condition("True", "Fine"), json_object_new_object(), false), "");
}

#define PROMISE(promise) cmocka_unit_test_setup_teardown(promise, make_world, free_world)

int main(void)
{
        const struct CMUnitTest tests[] = {
                PROMISE(the_first_word_is_no_transition),
                PROMISE(a_check_that_begins_to_warn_is_told_and_so_is_its_end),
                PROMISE(what_is_wrong_from_the_start_is_told_once_it_is_known),
                PROMISE(a_moment_without_an_answer_is_no_news),
                PROMISE(what_a_condition_tells_is_not_told_twice),
                PROMISE(while_the_api_server_is_lost_checks_are_only_noted),
                PROMISE(a_check_of_a_foreign_plugin_without_a_name_is_left_out),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
