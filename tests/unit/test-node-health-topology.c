/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../plugins/node-health/topology.c"

static void check_labels(const char *labels_text, const char *metadata_text, enum check_status status,
                         const char *reason)
{
        _cleanup_json_ json_object *labels = json_tokener_parse(labels_text),
                                   *metadata = metadata_text ? json_tokener_parse(metadata_text) : NULL;
        struct check_result result;

        judge(labels, metadata, &result);
        assert_int_equal(result.status, status);
        assert_string_equal(result.reason, reason);
}

static void labels_are_held_against_the_clouds_metadata(void **state)
{
        static const char both[] =
                "{\"topology.kubernetes.io/zone\":\"nova\",\"topology.kubernetes.io/region\":\"one\"}";

        (void)state;
        check_labels(both, "{\"availability_zone\":\"nova\",\"region\":\"one\"}", CHECK_OK,
                     "TopologyLabelsPresent");
        check_labels(both, "{\"availability_zone\":\"nova\",\"region\":null}", CHECK_OK,
                     "TopologyLabelsPresent");
        check_labels(both, NULL, CHECK_OK, "TopologyLabelsPresent");
        check_labels(both, "{\"availability_zone\":\"az-2\"}", CHECK_WARN, "TopologyLabelsWrong");
        check_labels("{\"topology.kubernetes.io/zone\":\"nova\"}", NULL, CHECK_WARN, "TopologyLabelsMissing");
        check_labels("{}", "{\"availability_zone\":\"nova\"}", CHECK_WARN, "TopologyLabelsMissing");
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(labels_are_held_against_the_clouds_metadata) };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
