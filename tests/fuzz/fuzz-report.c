/* SPDX-License-Identifier: Apache-2.0 */
#include "../../agent/lib/json-text.c"
#include "../../agent/lib/metric.c"
#include "../../agent/lib/report.c"

#include "fuzz.h"

static char *page(json_object *metrics, const char *plugin)
{
        char *text = NULL;
        size_t size;
        FILE *stream = open_memstream(&text, &size);

        PROMISE(stream);
        PROMISE(metric_render(stream, &metrics, &plugin, 1) == 0);
        PROMISE(fclose(stream) == 0);
        return text;
}

/* A report reads the same with a tree of its metrics and without, and with what was read before. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_(report_freep) struct report *report = NULL, *condensed = NULL, *again = NULL;
        _cleanup_free_ char *before = NULL, *after = NULL;
        _cleanup_failure_ failure = {};
        int r = report_parse((const char *)data, size, &report, &failure);

        PROMISE(report_parse_condensed((const char *)data, size, NULL, &condensed, NULL) == r);
        if (r < 0) {
                promise_one_line(failure.message);
                return 0;
        }
        before = page(report->metrics, report->plugin);
        after = page(condensed->metrics, report->plugin);
        PROMISE(strcmp(before, after) == 0);
        PROMISE(report_parse_condensed((const char *)data, size, condensed, &again, NULL) == 0);
        PROMISE(json_object_equal(again->metrics, condensed->metrics));
        return 0;
}
