/* SPDX-License-Identifier: Apache-2.0 */

#include "http-fields.h"

#include <string.h>

bool http_is_conditional(const struct http_request *request)
{
        struct slice cursor = request->fields, value;

        return http_field_next(&cursor, "if-none-match", &value);
}

/* The opaque part, with its quotes: what weak comparison compares (RFC 9110, 8.8.3.2). */
static struct slice opaque_tag(struct slice etag)
{
        if (etag.size >= 2 && memcmp(etag.at, "W/", 2) == 0) {
                etag.at += 2;
                etag.size -= 2;
        }
        return etag;
}

bool http_lists_etag(const struct http_request *request, const char *etag)
{
        struct slice cursor = request->fields, value, element;
        struct slice own = opaque_tag((struct slice){ etag, strlen(etag) });

        while (http_field_next(&cursor, "if-none-match", &value)) {
                if (slice_is(value, "*"))
                        return true;
                while (http_list_next(&value, &element))
                        if (slice_equal(opaque_tag(element), own))
                                return true;
        }
        return false;
}

/* "0", "0.5", "1.000" as thousandths (RFC 9110, 12.4.2); -1 for what is no weight. */
static int parse_weight(struct slice text)
{
        static const int units[] = { 100, 10, 1 };
        int weight;

        if (text.size == 0 || text.size > 5 || (text.at[0] != '0' && text.at[0] != '1') ||
            (text.size > 1 && text.at[1] != '.'))
                return -1;
        weight = (text.at[0] - '0') * 1000;
        for (size_t i = 2; i < text.size; i++) {
                if (text.at[i] < '0' || text.at[i] > '9')
                        return -1;
                weight += (text.at[i] - '0') * units[i - 2];
        }
        return weight <= 1000 ? weight : -1;
}

struct media_range {
        struct slice type;
        struct slice version; /* size 0: any */
        int weight;           /* thousandths */
};

static struct media_range parse_media_range(struct slice element)
{
        struct media_range range = { .weight = 1000 };

        range.type = slice_trim(slice_cut(&element, ';'));
        while (element.size > 0) {
                struct slice value = slice_cut(&element, ';');
                struct slice name = slice_trim(slice_cut(&value, '='));

                value = slice_trim(value);
                if (slice_is_nocase(name, "q"))
                        range.weight = parse_weight(value);
                else if (slice_is_nocase(name, "version"))
                        range.version = value;
        }
        return range;
}

/* How exactly a media range names a format; the most exact one's weight is the format's (RFC 9110,
 * 12.5.1). */
static int exactness(const struct media_range *range, const char *type, const char *group,
                     const char *version)
{
        if (range->version.size > 0 && !slice_is(range->version, version))
                return 0;
        if (slice_is_nocase(range->type, type))
                return 3;
        if (slice_is_nocase(range->type, group))
                return 2;
        return slice_is(range->type, "*/*") ? 1 : 0;
}

struct preference {
        int exactness, weight;
};

static void consider(struct preference *preference, int exact, int weight)
{
        if (weight < 0 || exact < preference->exactness || exact == 0)
                return;
        if (exact == preference->exactness && weight <= preference->weight)
                return;
        *preference = (struct preference){ exact, weight };
}

bool http_prefers_openmetrics(const struct http_request *request)
{
        struct slice cursor = request->fields, value, element;
        struct preference openmetrics = {}, text = {};

        while (http_field_next(&cursor, "accept", &value))
                while (http_list_next(&value, &element)) {
                        struct media_range range = parse_media_range(element);

                        consider(&openmetrics,
                                 exactness(&range, "application/openmetrics-text", "application/*", "1.0.0"),
                                 range.weight);
                        consider(&text, exactness(&range, "text/plain", "text/*", "0.0.4"), range.weight);
                }

        /* Only to who names it: everything else reads the text format, and a browser names application types
         * of all sorts. */
        return openmetrics.exactness == 3 && openmetrics.weight > 0 && openmetrics.weight >= text.weight;
}
