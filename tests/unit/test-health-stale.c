/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "health-stale.h"
#include "quantity.h"
#include "timestamp.h"

static const char document[] =
        "{\"status\":\"Healthy\",\"sequence\":3,\"node\":null,\"versions\":{\"kernel\":\"6.1\"},"
        "\"conditions\":[{\"type\":\"A\",\"status\":\"True\",\"reason\":\"Good\",\"message\":\"m\","
        "\"lastTransitionTime\":\"2026-01-01T00:00:00.000Z\",\"healthy\":true},"
        "{\"type\":\"B\",\"status\":\"Unknown\",\"reason\":\"NotCheckedYet\",\"message\":\"m\","
        "\"lastTransitionTime\":\"2026-01-01T00:00:00.000Z\",\"healthy\":null}],"
        "\"checks\":[{\"name\":\"disk\",\"status\":\"OK\",\"since\":\"2026-01-01T00:00:00.000Z\",\"value\":0."
        "41}],"
        "\"capabilities\":[{\"name\":\"x\",\"applied\":\"sha256:1\",\"state\":\"InForce\"}, 5]}";

#define SINCE_USEC (UINT64_C(1790000000) * USEC_PER_SEC)

static json_object *make_stale(void)
{
        _cleanup_json_ json_object *json = NULL;
        json_object *stale;

        assert_int_equal(json_parse(document, sizeof(document) - 1, &json, NULL), 0);
        assert_int_equal(health_make_stale(json, SINCE_USEC, &stale), 0);
        /* The document that was given is another's. */
        assert_string_equal(json_string(json, "status"), "Healthy");
        return stale;
}

static json_object *element(json_object *json, const char *array, size_t index)
{
        return json_object_array_get_idx(json_member(json, array, json_type_array), index);
}

static void nothing_that_was_judged_stays_good(void **state)
{
        _cleanup_json_ json_object *stale = make_stale();
        json_object *condition = element(stale, "conditions", 0), *healthy;
        char since[TIMESTAMP_SIZE];

        (void)timestamp_format(SINCE_USEC, since);
        assert_string_equal(json_string(stale, "status"), "Unknown");
        assert_string_equal(json_string(condition, "status"), "Unknown");
        assert_string_equal(json_string(condition, "reason"), "AgentSilent");
        assert_string_equal(json_string(condition, "lastTransitionTime"), since);
        assert_true(json_object_object_get_ex(condition, "healthy", &healthy));
        assert_null(healthy);
        assert_string_equal(json_string(element(stale, "checks", 0), "status"), "Unknown");
        assert_string_equal(json_string(element(stale, "checks", 0), "since"), since);
        assert_string_equal(json_string(element(stale, "capabilities", 0), "state"), "Silent");
}

static void what_was_unknown_already_keeps_its_time(void **state)
{
        _cleanup_json_ json_object *stale = make_stale();
        json_object *condition = element(stale, "conditions", 1);

        assert_string_equal(json_string(condition, "reason"), "AgentSilent");
        assert_string_equal(json_string(condition, "lastTransitionTime"), "2026-01-01T00:00:00.000Z");
}

static void facts_stay(void **state)
{
        _cleanup_json_ json_object *stale = make_stale();

        assert_int_equal(json_integer(stale, "sequence", 0), 3);
        assert_string_equal(json_string(json_member(stale, "versions", json_type_object), "kernel"), "6.1");
        assert_string_equal(json_string(element(stale, "capabilities", 0), "applied"), "sha256:1");
        assert_non_null(strstr(json_object_to_json_string(element(stale, "checks", 0)), "0.41"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(nothing_that_was_judged_stays_good),
                cmocka_unit_test(what_was_unknown_already_keeps_its_time),
                cmocka_unit_test(facts_stay),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
