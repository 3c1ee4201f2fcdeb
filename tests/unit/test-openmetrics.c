/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../agent/gateway/http-request.c"
#include "../../agent/gateway/openmetrics.c"

static void assert_becomes(const char *page, const char *expected)
{
        _cleanup_free_ char *text = NULL;
        size_t size;
        FILE *stream = open_memstream(&text, &size);

        assert_non_null(stream);
        openmetrics_write(stream, page, strlen(page));
        openmetrics_end(stream);
        assert_int_equal(fclose(stream), 0);
        assert_string_equal(text, expected);
}

static void names_a_counters_family_without_total(void **state)
{
        assert_becomes("# HELP a_total Help.\n# TYPE a_total counter\na_total{x=\"y\"} 1\na_total 2\n",
                       "# TYPE a counter\n# HELP a Help.\na_total{x=\"y\"} 1\na_total 2\n# EOF\n");
}

static void leaves_gauges_as_they_are(void **state)
{
        assert_becomes("# HELP a_total Help.\n# TYPE a_total gauge\na_total NaN\n",
                       "# TYPE a_total gauge\n# HELP a_total Help.\na_total NaN\n# EOF\n");
}

static void a_counter_not_named_total_is_unknown(void **state)
{
        assert_becomes("# TYPE a counter\na 1\n", "# TYPE a unknown\na 1\n# EOF\n");
        assert_becomes("# TYPE _total counter\n_total 1\n", "# TYPE _total unknown\n_total 1\n# EOF\n");
        assert_becomes("# TYPE a untyped\na 1\n", "# TYPE a unknown\na 1\n# EOF\n");
}

static void escapes_quotes_in_help(void **state)
{
        assert_becomes("# HELP a The \"a\" \\n \\\\.\n# TYPE a gauge\na 1\n",
                       "# TYPE a gauge\n# HELP a The \\\"a\\\" \\n \\\\.\na 1\n# EOF\n");
}

static void drops_comments_and_empty_lines(void **state)
{
        assert_becomes("\n# some comment\n#\n# TYPE a gauge\n\na 1\n", "# TYPE a gauge\na 1\n# EOF\n");
        assert_becomes("", "# EOF\n");
}

static void ends_a_page_that_was_cut_short(void **state)
{
        assert_becomes("# TYPE a gauge\na 1", "# TYPE a gauge\na 1\n# EOF\n");
        assert_becomes("# HELP a Help.", "# EOF\n");
}

static void keeps_help_with_its_own_family(void **state)
{
        assert_becomes("# HELP b Help.\n# TYPE a gauge\na 1\n", "# TYPE a gauge\na 1\n# EOF\n");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(names_a_counters_family_without_total),
                cmocka_unit_test(leaves_gauges_as_they_are),
                cmocka_unit_test(a_counter_not_named_total_is_unknown),
                cmocka_unit_test(escapes_quotes_in_help),
                cmocka_unit_test(drops_comments_and_empty_lines),
                cmocka_unit_test(ends_a_page_that_was_cut_short),
                cmocka_unit_test(keeps_help_with_its_own_family),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
