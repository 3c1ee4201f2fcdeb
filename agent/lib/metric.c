/* SPDX-License-Identifier: Apache-2.0 */

#include "metric.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "mark.h"
#include "metric-text.h"

#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyz0123456789_"
#define LINES           "lines" /* a condensed family has them instead of samples */
#define MARK            "mark"  /* … and that of the text that it was made of */
#define PLUGIN_LABEL    "plugin"

static const char *const type_names[] = { [METRIC_GAUGE] = "gauge", [METRIC_COUNTER] = "counter" };

/* From the end: what is added belongs to one of the latest. */
static json_object *find_family(json_object *metrics, const char *name)
{
        for (size_t i = json_object_array_length(metrics); i > 0; i--) {
                json_object *family = json_object_array_get_idx(metrics, i - 1);

                if (strcmp(json_string(family, "name"), name) == 0)
                        return family;
        }
        return NULL;
}

static json_object *make_family(json_object *metrics, enum metric_type type, const char *name,
                                const char *help)
{
        _cleanup_json_ json_object *family = json_object_new_object();
        int r = 0;

        if (!family)
                return NULL;
        r |= json_set_string(family, "name", name);
        r |= json_set_string(family, "type", type_names[type]);
        r |= json_set_string(family, "help", help);
        r |= json_set(family, "samples",
                      metric_text_is_array(metrics) ? metric_text_samples() : json_object_new_array());
        if (r != 0 || json_append(metrics, json_object_get(family)) < 0)
                return NULL;
        return family; /* the array holds a reference of its own */
}

static int add_sample(json_object *samples, double value, va_list pairs)
{
        _cleanup_json_ json_object *sample = json_object_new_object();
        json_object *labels = json_object_new_object();
        int r;

        r = json_set(sample, "labels", labels);
        for (const char *label; r >= 0 && (label = va_arg(pairs, const char *));)
                r = json_set_string(labels, label, va_arg(pairs, const char *));
        if (r >= 0)
                r = json_set_double(sample, "value", value);
        return r < 0 ? r : json_append(samples, TAKE_PTR(sample));
}

int metric_add(json_object *metrics, enum metric_type type, const char *name, const char *help, double value,
               ...)
{
        json_object *family = find_family(metrics, name), *samples;
        va_list pairs;
        int r;

        if (!family)
                family = make_family(metrics, type, name, help);
        if (!family)
                return -ENOMEM;
        samples = json_member(family, "samples", json_type_array);
        va_start(pairs, value);
        r = metric_text_is_array(metrics) ? metric_text_add(samples, value, pairs)
                                          : add_sample(samples, value, pairs);
        va_end(pairs);
        return r;
}

uint64_t metric_counter(json_object *metrics, const char *name)
{
        json_object *family = find_family(metrics, name), *value = NULL;
        json_object *samples = family ? json_member(family, "samples", json_type_array) : NULL;

        if (!samples || json_object_array_length(samples) == 0 ||
            !json_object_object_get_ex(json_object_array_get_idx(samples, 0), "value", &value))
                return 0;
        return (uint64_t)json_object_get_int64(value);
}

static bool is_name(const char *name)
{
        return name && name[0] && name[strspn(name, NAME_CHARACTERS)] == '\0';
}

struct entry {
        const char *name, *plugin;
        json_object *family;
        size_t order; /* qsort is not stable */
};

static int compare_entries(const void *a, const void *b)
{
        const struct entry *x = a, *y = b;
        int r = strcmp(x->name, y->name);

        return r != 0 ? r : (x->order > y->order) - (x->order < y->order);
}

/* exposition_formats.md: backslash and line feed in HELP; these and the quote in label values. */
static void write_escaped(FILE *stream, const char *text, bool quote)
{
        for (;;) {
                size_t plain = strcspn(text, quote ? "\\\n\"" : "\\\n");

                (void)fwrite(text, 1, plain, stream);
                text += plain;
                if (*text == '\0')
                        return;
                fputs(*text == '\n' ? "\\n" : *text == '"' ? "\\\"" : "\\\\", stream);
                text++;
        }
}

#define WHOLE_MAX    1e15 /* up to which "%.15g" writes them without an exponent */
#define WHOLE_DIGITS 15

/* The shortest decimal form that reads back as the same number. */
static void write_number(FILE *stream, double value)
{
        char text[64];

        if (isnan(value)) {
                fputs("NaN", stream);
                return;
        }
        if (isinf(value)) {
                fputs(value > 0 ? "+Inf" : "-Inf", stream);
                return;
        }
        /* Most are whole numbers, for which a search for the form takes twenty times as long as the form. */
        if (fabs(value) < WHOLE_MAX && value == (double)(long long)value) {
                (void)snprintf(text, sizeof(text), "%lld", (long long)value);
                fputs(text, stream);
                return;
        }
        for (int digits = 15; digits <= 17; digits++) {
                (void)snprintf(text, sizeof(text), "%.*g", digits, value);
                if (strtod(text, NULL) == value)
                        break;
        }
        fputs(text, stream);
}

static void write_label(FILE *stream, const char **separator, const char *label, const char *text)
{
        fputs(*separator, stream);
        fputs(label, stream);
        fputs("=\"", stream);
        write_escaped(stream, text, true);
        fputc('"', stream);
        *separator = ",";
}

static void write_sample(FILE *stream, const struct entry *entry, json_object *sample)
{
        json_object *labels = json_member(sample, "labels", json_type_object);
        const char *separator = "{";

        fputs(entry->name, stream);
        if (labels) {
                json_object_object_foreach (labels, label, text) {
                        write_label(stream, &separator, label, json_object_get_string(text));
                }
        }
        if (entry->plugin && !(labels && json_object_object_get_ex(labels, PLUGIN_LABEL, NULL)))
                write_label(stream, &separator, PLUGIN_LABEL, entry->plugin);
        if (separator[0] == ',')
                fputc('}', stream);
        fputc(' ', stream);
        write_number(stream, json_object_get_double(json_object_object_get(sample, "value")));
        fputc('\n', stream);
}

static void write_samples(FILE *stream, const struct entry *entry)
{
        json_object *samples = json_member(entry->family, "samples", json_type_array);

        for (size_t i = 0; i < json_object_array_length(samples); i++)
                write_sample(stream, entry, json_object_array_get_idx(samples, i));
}

/* ---- from a report ---- */

static bool is_digit(char c)
{
        return c >= '0' && c <= '9';
}

static bool is_number(const char *at)
{
        return at && (*at == '-' || is_digit(*at));
}

/* Most are whole numbers without a sign, which JSON writes as the page does. */
static void copy_number(FILE *stream, const char *at)
{
        const char *end = at;

        while (is_digit(*end))
                end++;
        if (end > at && end - at <= WHOLE_DIGITS && *end != '.' && (*end | 0x20) != 'e')
                (void)fwrite(at, 1, (size_t)(end - at), stream);
        else
                write_number(stream, strtod(at, NULL));
}

struct condenser {
        const char *plugin, *family;
        json_object *before; /* families */
        struct failure *failure;
        FILE *stream;
        char *lines;
        size_t size;
};

/* Returns 1 when one of them is called "plugin". */
static int copy_labels(const struct condenser *condenser, const char **at, const char **separator)
{
        struct json_text key;
        int has_plugin = 0;

        if (!json_text_enter(at, '{'))
                return 0;
        while (json_text_member(at, &key)) {
                _cleanup_free_ char *label = json_text_name(&key), *text = NULL;

                if (!label)
                        return -ENOMEM;
                if (!is_name(label) || (label[0] >= '0' && label[0] <= '9') || **at != '"')
                        return failure_set(condenser->failure, -EINVAL, "InvalidReport",
                                           "metric %s: a bad label", condenser->family);
                text = json_text_string(at);
                if (!text)
                        return -ENOMEM;
                write_label(condenser->stream, separator, label, text);
                has_plugin |= strcmp(label, PLUGIN_LABEL) == 0;
        }
        return has_plugin;
}

static int copy_sample(const struct condenser *condenser, const char **at)
{
        const char *separator = "{", *value = NULL;
        struct json_text key;
        int has_plugin = 0;

        fputs(condenser->family, condenser->stream);
        if (json_text_enter(at, '{'))
                while (has_plugin >= 0 && json_text_member(at, &key)) {
                        if (json_text_is(&key, "labels")) {
                                has_plugin = copy_labels(condenser, at, &separator);
                                continue;
                        }
                        if (json_text_is(&key, "value"))
                                value = *at;
                        json_text_skip(at);
                }
        if (has_plugin < 0)
                return has_plugin;
        if (!is_number(value))
                return failure_set(condenser->failure, -EINVAL, "InvalidReport",
                                   "metric %s: a sample without a number", condenser->family);
        if (!has_plugin)
                write_label(condenser->stream, &separator, PLUGIN_LABEL, condenser->plugin);
        fputs("} ", condenser->stream);
        copy_number(condenser->stream, value);
        fputc('\n', condenser->stream);
        return 0;
}

/* All but the samples, which may come before the name that their lines begin with. */
static int take_family(const char *at, json_object *family, const char **ret_samples)
{
        static const char *const texts[] = { "name", "type", "help" };
        struct json_text key;

        *ret_samples = NULL;
        if (!json_text_enter(&at, '{'))
                return 0;
        while (json_text_member(&at, &key)) {
                const char *value = at;

                json_text_skip(&at);
                if (*value == '[' && json_text_is(&key, "samples"))
                        *ret_samples = value;
                for (size_t i = 0; *value == '"' && i < ELEMENTS(texts); i++) {
                        _cleanup_free_ char *text = NULL;

                        if (!json_text_is(&key, texts[i]))
                                continue;
                        text = json_text_string(&value);
                        if (!text || json_set_string(family, texts[i], text) < 0)
                                return -ENOMEM;
                        break;
                }
        }
        return 0;
}

static int check_family(json_object *family, const char *samples, struct failure *failure)
{
        const char *name = json_string(family, "name"), *type = json_string(family, "type");

        if (!is_name(name) || strncmp(name, METRIC_NAME_PREFIX, strlen(METRIC_NAME_PREFIX)) != 0)
                return failure_set(failure, -EINVAL, "InvalidReport",
                                   "a metric's name does not start with %s or has other than "
                                   "small letters, digits and underscores",
                                   METRIC_NAME_PREFIX);
        if (!type || (strcmp(type, "gauge") != 0 && strcmp(type, "counter") != 0))
                return failure_set(failure, -EINVAL, "InvalidReport",
                                   "metric %s: \"type\" is not gauge or counter", name);
        if (!json_string(family, "help") || !samples)
                return failure_set(failure, -EINVAL, "InvalidReport",
                                   "metric %s has no \"help\" or no \"samples\"", name);
        return 0;
}

static int condense_samples(const struct condenser *condenser, const char *at)
{
        int r = 0;

        json_text_enter(&at, '[');
        while (r >= 0 && json_text_element(&at))
                r = copy_sample(condenser, &at);
        return r < 0 || fflush(condenser->stream) == 0 ? r : -ENOMEM;
}

static int condense_family(struct condenser *condenser, const char *at, json_object *family)
{
        const size_t before = condenser->size;
        const char *samples;
        int r;

        r = take_family(at, family, &samples);
        if (r >= 0)
                r = check_family(family, samples, condenser->failure);
        if (r < 0)
                return r;
        condenser->family = json_string(family, "name");
        r = condense_samples(condenser, samples);
        if (r < 0)
                return r;
        return json_set(family, LINES,
                        json_object_new_string_len(condenser->lines + before,
                                                   (int)(condenser->size - before)));
}

/* Most families say the same for hours, at the same place of the report. */
static json_object *find_same(json_object *before, size_t index, int64_t mark)
{
        json_object *family = before && index < json_object_array_length(before)
                                      ? json_object_array_get_idx(before, index)
                                      : NULL;

        return family && json_integer(family, MARK, 0) == mark ? json_object_get(family) : NULL;
}

static int take_or_condense(struct condenser *condenser, const char **at, json_object *families)
{
        const char *text = *at;
        json_object *family;
        int64_t mark;
        int r;

        json_text_skip(at);
        mark = (int64_t)mark_add(MARK_START, text, (size_t)(*at - text));
        family = find_same(condenser->before, json_object_array_length(families), mark);
        if (family)
                return json_append(families, family);
        family = json_object_new_object();
        r = json_append(families, family);
        if (r >= 0)
                r = json_set_integer(family, MARK, mark);
        return r < 0 ? r : condense_family(condenser, text, family);
}

static int condense_families(struct condenser *condenser, const char *at, json_object *families)
{
        int r = 0;

        if (!at || !json_text_enter(&at, '['))
                return 0;
        while (r >= 0 && json_text_element(&at))
                r = take_or_condense(condenser, &at, families);
        return r;
}

int metric_condense(const char *metrics, const char *plugin, json_object *before, json_object **ret,
                    struct failure *failure)
{
        _cleanup_json_ json_object *families = json_object_new_array();
        struct condenser condenser = { .plugin = plugin, .before = before, .failure = failure };
        int r;

        if (!families)
                return -ENOMEM;
        condenser.stream = open_memstream(&condenser.lines, &condenser.size);
        if (!condenser.stream)
                return -ENOMEM;
        r = condense_families(&condenser, metrics, families);
        (void)fclose(condenser.stream);
        free(condenser.lines);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(families);
        return 0;
}

/* ---- the page ---- */

static void write_family(FILE *stream, const struct entry *entry, bool first)
{
        if (first) {
                fprintf(stream, "# HELP %s ", entry->name);
                write_escaped(stream, json_string(entry->family, "help"), false);
                fprintf(stream, "\n# TYPE %s %s\n", entry->name, json_string(entry->family, "type"));
        }
        if (json_member(entry->family, "samples", json_type_array))
                write_samples(stream, entry);
        else
                fputs(json_string(entry->family, LINES), stream);
}

int metric_render(FILE *stream, json_object *const *arrays, const char *const *plugins, size_t count)
{
        _cleanup_free_ struct entry *entries = NULL;
        const struct entry *first = NULL;
        size_t n = 0, capacity = 0;

        for (size_t i = 0; i < count; i++)
                capacity += arrays[i] ? json_object_array_length(arrays[i]) : 0;
        entries = calloc(capacity + 1, sizeof(*entries));
        if (!entries)
                return -ENOMEM;

        for (size_t i = 0; i < count; i++)
                for (size_t k = 0; arrays[i] && k < json_object_array_length(arrays[i]); k++) {
                        json_object *family = json_object_array_get_idx(arrays[i], k);

                        entries[n] = (struct entry){ .name = json_string(family, "name"),
                                                     .plugin = plugins ? plugins[i] : NULL,
                                                     .family = family,
                                                     .order = n };
                        n++;
                }
        qsort(entries, n, sizeof(*entries), compare_entries);

        for (size_t i = 0; i < n; i++) {
                bool new_name = !first || strcmp(first->name, entries[i].name) != 0;

                if (new_name)
                        first = &entries[i];
                /* Two types under one name would make the whole page invalid: the first one's wins. */
                if (strcmp(json_string(first->family, "type"), json_string(entries[i].family, "type")) == 0)
                        write_family(stream, &entries[i], new_name);
        }
        return ferror(stream) ? -EIO : 0;
}
