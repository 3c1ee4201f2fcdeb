/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "openmetrics.h"
#include "response.h"
#include "statistics.h"

/* The longest of everything: what the buffer's size is made for. */
static void the_longest_header_fits(void **state)
{
        char header[RESPONSE_HEADER_MAX];
        struct response response = {};
        size_t size;

        for (size_t i = 0; i < HTTP_STATUSES; i++) {
                assert_int_equal(response_set_text(&response, http_statuses[i].code, OPENMETRICS_TYPE, "x",
                                                   1),
                                 0);
                response.body->size = SIZE_MAX;
                memset(response.etag, 'x', sizeof(response.etag) - 1);
                size = response_write_header(&response, true, header);
                assert_true(size < sizeof(header) - 1);
                assert_memory_equal(header + size - 4, "\r\n\r\n", 4);
                response_clear(&response);
        }
}

static void an_error_is_json_whatever_its_text(void **state)
{
        struct response response = {};
        _cleanup_json_ json_object *object = NULL;

        assert_int_equal(response_set_error(&response, 404, "a \"b\"\n\\c", NULL, NULL), 0);
        assert_int_equal(json_parse(response.body->data, response.body->size, &object, NULL), 0);
        assert_string_equal(json_string(object, "error"), "a \"b\"\n\\c");
        response_clear(&response);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_longest_header_fits),
                cmocka_unit_test(an_error_is_json_whatever_its_text),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
