/* SPDX-License-Identifier: Apache-2.0 */

/* What of the refusals stands in the journal. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "peer.h"
#include "quantity.h"
#include "timestamp.h"

static char lines[64][256];
static unsigned n_lines;
static uint64_t now_usec = USEC_PER_SEC; /* since the boot: the end of this minute is over */

static void take_line(int priority, const char *message_id, const char *format, ...) _printf_(3, 4);

static void take_line(int priority, const char *message_id, const char *format, ...)
{
        va_list arguments;

        assert_int_equal(priority, LOG_NOTICE);
        assert_string_equal(message_id, MESSAGE_CLIENT_REFUSED);
        va_start(arguments, format);
        (void)vsnprintf(lines[n_lines++], sizeof(lines[0]), format, arguments);
        va_end(arguments);
}

#define log_message            take_line
#define now_boottime_usec()    now_usec
#define peer_describe(ssl, to) strcpy(to, "CN=system:node:a at 192.0.2.7")
#include "audit.c"

static void refuse(struct audit *state, unsigned times)
{
        _cleanup_failure_ failure = {};

        (void)failure_set(&failure, -EACCES, "SubjectNotAllowed", "the subject is not listed");
        for (unsigned i = 0; i < times; i++)
                audit(state, NULL, &failure);
}

static void a_refusal_is_a_line_with_subject_address_and_reason(void **state)
{
        struct audit audit_state = {};

        (void)state;
        n_lines = 0;
        refuse(&audit_state, 1);
        assert_int_equal(n_lines, 1);
        assert_string_equal(lines[0], "Refused CN=system:node:a at 192.0.2.7: the subject is not listed");
}

static void a_minute_has_ten_lines_and_its_end_says_how_many_were_left_out(void **state)
{
        struct audit audit_state = { .start_usec = now_usec };

        assert_int_equal(sd_event_new(&audit_state.event), 0);
        n_lines = 0;
        refuse(&audit_state, 25);
        assert_int_equal(n_lines, 10);
        now_usec += USEC_PER_MIN;
        assert_true(sd_event_run(audit_state.event, 60 * USEC_PER_SEC) > 0);
        assert_int_equal(n_lines, 11);
        assert_string_equal(lines[10], "Refused 15 more requests");
        /* Once, and the minute after it has lines of its own. */
        assert_int_equal(sd_event_run(audit_state.event, 0), 0);
        refuse(&audit_state, 10);
        assert_int_equal(n_lines, 21);
        assert_null(audit_state.end);
        audit_clear(&audit_state);
        sd_event_unref(audit_state.event);
}

static void without_a_timer_the_next_refusal_says_how_many_were_left_out(void **state)
{
        struct audit audit_state = { .start_usec = now_usec };

        n_lines = 0;
        refuse(&audit_state, 25);
        now_usec += USEC_PER_MIN - 1;
        refuse(&audit_state, 1);
        assert_int_equal(n_lines, 10);
        now_usec += 1;
        refuse(&audit_state, 1);
        assert_int_equal(n_lines, 12);
        assert_string_equal(lines[10], "Refused 16 more requests");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_refusal_is_a_line_with_subject_address_and_reason),
                cmocka_unit_test(a_minute_has_ten_lines_and_its_end_says_how_many_were_left_out),
                cmocka_unit_test(without_a_timer_the_next_refusal_says_how_many_were_left_out),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
