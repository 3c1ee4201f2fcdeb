/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "exchange-message.h"

static size_t make(char **ret)
{
        size_t size;
        FILE *stream = open_memstream(ret, &size);

        exchange_put_text(stream, "method", "GET");
        exchange_put_text(stream, "proxy", NULL);
        exchange_put(stream, "body", "a\n\0 7\nb", 7);
        exchange_put_number(stream, "timeout", 5000000);
        assert_int_equal(fclose(stream), 0);
        return size;
}

static void what_is_put_is_taken_whatever_bytes_it_has(void **state)
{
        char *text, *at, *name, *value;
        size_t total = make(&text), size;

        at = text;
        assert_int_equal(exchange_take(&at, text + total, &name, &value, &size), 1);
        assert_string_equal(name, "method");
        assert_string_equal(value, "GET");
        assert_int_equal(exchange_take(&at, text + total, &name, &value, &size), 1);
        assert_string_equal(name, "body");
        assert_int_equal(size, 7);
        assert_memory_equal(value, "a\n\0 7\nb", 7);
        assert_int_equal(exchange_take(&at, text + total, &name, &value, &size), 1);
        assert_string_equal(value, "5000000");
        assert_int_equal(exchange_take(&at, text + total, &name, &value, &size), 0);
        free(text);
}

/* Its writer was killed. */
static void a_message_that_ends_early_is_refused(void **state)
{
        char *whole;
        size_t total = make(&whole);

        for (size_t cut = 1; cut < total; cut++) {
                char *text = malloc(cut), *at = text, *name, *value;
                size_t size, taken = 0;
                int r;

                memcpy(text, whole, cut);
                while ((r = exchange_take(&at, text + cut, &name, &value, &size)) > 0)
                        taken++;
                assert_true(taken < 3);
                assert_true(r == -EBADMSG || (r == 0 && at == text + cut));
                free(text);
        }
        free(whole);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_is_put_is_taken_whatever_bytes_it_has),
                cmocka_unit_test(a_message_that_ends_early_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
