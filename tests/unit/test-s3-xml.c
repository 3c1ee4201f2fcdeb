/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "s3-xml.h"

static char seen[1024];

static int on_text(const char *path, const char *text, void *userdata)
{
        size_t length = strlen(seen);

        (void)snprintf(seen + length, sizeof(seen) - length, "%s=%s|", path, text);
        return 0;
}

static int on_end(const char *path, void *userdata)
{
        size_t length = strlen(seen);

        (void)snprintf(seen + length, sizeof(seen) - length, "/%s|", path);
        return 0;
}

static int read_text(const char *text)
{
        seen[0] = '\0';
        return s3_xml_read(text, strlen(text), &(struct s3_xml_reader){ on_text, on_end, NULL });
}

static void elements_and_their_texts_are_told_in_order(void **state)
{
        assert_int_equal(
                read_text(
                        "\n<?xml version=\"1.0\"?>\n<A x='1' y=\"2\">\n <B>b</B><C/><D><E> e </E></D></A>\n"),
                0);
        assert_string_equal(seen, "A/B=b|A/C=|A/D/E= e |/A/D|/A|");
}

static void entities_become_their_characters(void **state)
{
        assert_int_equal(read_text("<A>&lt;&amp;&gt;&quot;&apos;&#65;&#xe4;&#x20AC;&#x1F600;&#x1;</A>"), 0);
        assert_string_equal(seen, "A=<&>\"'A\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80\x01|");
}

static void what_is_not_such_a_document_is_refused(void **state)
{
        static const char *const texts[] = {
                "",
                " ",
                "text",
                "<A>",
                "<A></B>",
                "</A>",
                "<A></A><B></B>",
                "<A></A>text",
                "text<A></A>",
                "<A",
                "<A/",
                "<A x></A>",
                "<A x=1></A>",
                "<A x='1></A>",
                "<A><!-- c --></A>",
                "<A><![CDATA[x]]></A>",
                "<!DOCTYPE a><A></A>",
                "<A><?p i?></A>",
                "<A>&b;</A>",
                "<A>&#0;</A>",
                "<A>&#xD800;</A>",
                "<A>&#x110000;</A>",
                "<A>&#;</A>",
                "<A>&#12",
                "<A>&amp</A>",
                "&amp;<A/>",
                "<A><B><C><D><E><F><G><H><I></I></H></G></F></E></D></C></B></A>",
        };

        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
                if (read_text(texts[i]) != -EBADMSG)
                        fail_msg("accepted: %s", texts[i]);
        assert_int_equal(s3_xml_read("<A>\0</A>", 8, &(struct s3_xml_reader){ on_text, on_end, NULL }),
                         -EBADMSG);
}

static void a_text_that_is_too_long_is_refused(void **state)
{
        static char text[S3_XML_TEXT_MAX + 16];

        (void)snprintf(text, sizeof(text), "<A>%0*d</A>", S3_XML_TEXT_MAX - 1, 0);
        assert_int_equal(read_text(text), 0);
        (void)snprintf(text, sizeof(text), "<A>%0*d</A>", S3_XML_TEXT_MAX, 0);
        assert_int_equal(read_text(text), -EBADMSG);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(elements_and_their_texts_are_told_in_order),
                cmocka_unit_test(entities_become_their_characters),
                cmocka_unit_test(what_is_not_such_a_document_is_refused),
                cmocka_unit_test(a_text_that_is_too_long_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
