/* SPDX-License-Identifier: Apache-2.0 */

#include "metric.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyz0123456789_"
#define LINES           "lines" /* a condensed family has them instead of samples */

static const char *const type_names[] = { [METRIC_GAUGE] = "gauge", [METRIC_COUNTER] = "counter" };

static json_object *find_family(json_object *metrics, const char *name)
{
        for (size_t i = 0; i < json_object_array_length(metrics); i++) {
                json_object *family = json_object_array_get_idx(metrics, i);

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
        r |= json_set(family, "samples", json_object_new_array());
        if (r != 0 || json_append(metrics, json_object_get(family)) < 0)
                return NULL;
        return family; /* the array holds a reference of its own */
}

int metric_add(json_object *metrics, enum metric_type type, const char *name, const char *help, double value,
               ...)
{
        json_object *family = find_family(metrics, name), *labels;
        _cleanup_json_ json_object *sample = json_object_new_object();
        va_list pairs;
        int r = 0;

        if (!family)
                family = make_family(metrics, type, name, help);
        labels = json_object_new_object();
        if (!family || !sample || json_set(sample, "labels", labels) < 0)
                return -ENOMEM;

        va_start(pairs, value);
        for (const char *label = va_arg(pairs, const char *); label; label = va_arg(pairs, const char *))
                r |= json_set_string(labels, label, va_arg(pairs, const char *));
        va_end(pairs);
        r |= json_set_double(sample, "value", value);
        if (r != 0)
                return -ENOMEM;
        return json_append(json_member(family, "samples", json_type_array), TAKE_PTR(sample));
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

static int check_sample(const char *name, json_object *sample, struct failure *failure)
{
        json_object *labels = json_member(sample, "labels", json_type_object), *value = NULL;

        if (!json_object_is_type(sample, json_type_object) ||
            !json_object_object_get_ex(sample, "value", &value) ||
            (!json_object_is_type(value, json_type_double) && !json_object_is_type(value, json_type_int)))
                return failure_set(failure, -EINVAL, "InvalidReport", "metric %s: a sample without a number",
                                   name);
        if (labels) {
                json_object_object_foreach (labels, label, text) {
                        if (!is_name(label) || (label[0] >= '0' && label[0] <= '9') ||
                            !json_object_is_type(text, json_type_string))
                                return failure_set(failure, -EINVAL, "InvalidReport",
                                                   "metric %s: a bad label", name);
                }
        }
        return 0;
}

int metric_check(json_object *family, struct failure *failure)
{
        const char *name = json_string(family, "name"), *type = json_string(family, "type");
        json_object *samples = json_member(family, "samples", json_type_array);
        int r;

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
        for (size_t i = 0; i < json_object_array_length(samples); i++) {
                r = check_sample(name, json_object_array_get_idx(samples, i), failure);
                if (r < 0)
                        return r;
        }
        return 0;
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

#define WHOLE_MAX 1e15 /* up to which "%.15g" writes them without an exponent */

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

static void write_sample(FILE *stream, const struct entry *entry, json_object *sample)
{
        json_object *labels = json_member(sample, "labels", json_type_object);
        const char *separator = "{";

        fputs(entry->name, stream);
        if (labels) {
                json_object_object_foreach (labels, label, text) {
                        fputs(separator, stream);
                        fputs(label, stream);
                        fputs("=\"", stream);
                        write_escaped(stream, json_object_get_string(text), true);
                        fputc('"', stream);
                        separator = ",";
                }
        }
        if (entry->plugin && !(labels && json_object_object_get_ex(labels, "plugin", NULL))) {
                fprintf(stream, "%splugin=\"%s\"", separator, entry->plugin);
                separator = ",";
        }
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

static int condense_family(json_object *family, const char *plugin)
{
        const struct entry entry = { .name = json_string(family, "name"),
                                     .plugin = plugin,
                                     .family = family };
        _cleanup_free_ char *lines = NULL;
        size_t size;
        FILE *stream = open_memstream(&lines, &size);
        int r;

        if (!stream)
                return -ENOMEM;
        write_samples(stream, &entry);
        if (fclose(stream) != 0)
                return -ENOMEM;
        r = json_set_string(family, LINES, lines);
        if (r < 0)
                return r;
        json_object_object_del(family, "samples");
        return 0;
}

int metric_condense(json_object *metrics, const char *plugin)
{
        int r = 0;

        for (size_t i = 0; r >= 0 && i < json_object_array_length(metrics); i++)
                r = condense_family(json_object_array_get_idx(metrics, i), plugin);
        return r;
}

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
