/* SPDX-License-Identifier: Apache-2.0 */

#include "drop-in.h"

#include <string.h>

#include "files.h"
#include "settings.h"

#define DROP_IN_SIZE_MAX (64 * 1024)
#define DROP_INS_MAX     256
#define FILES_MAX        32 /* in one drop-in */

#define BLANKS " \t\r"

void strings_clear(struct config_strings *strings)
{
        for (size_t i = 0; i < strings->count; i++)
                free(strings->items[i]);
        free(strings->items);
        *strings = (struct config_strings){};
}

int strings_add(struct config_strings *strings, const char *text)
{
        char **grown = reallocarray(strings->items, strings->count + 1, sizeof(*grown));

        if (!grown)
                return -ENOMEM;
        strings->items = grown;
        grown[strings->count] = strdup(text);
        return grown[strings->count++] ? 0 : -ENOMEM;
}

void drop_in_clear(struct drop_in *drop_in)
{
        strings_clear(&drop_in->files);
        *drop_in = (struct drop_in){};
}

/* Whether the text begins with one of our variables' names, and the letter behind it is among the ends. */
static bool is_variable(const char *text, const char *ends)
{
        for (size_t i = 0; i < VARIABLES; i++) {
                size_t length = strlen(variable_names[i]);

                if (strncmp(text, variable_names[i], length) == 0 &&
                    (text[length] == '\0' || strchr(ends, text[length])))
                        return true;
        }
        return false;
}

/* As a word, quoted or not, or behind one. */
static bool names_variable(const char *value, const char *ends)
{
        for (const char *at = value; *at; at++)
                if ((at == value || strchr(BLANKS "\"'", at[-1])) && is_variable(at, ends))
                        return true;
        return false;
}

bool sets_variable(const char *text)
{
        for (const char *line = text; line; line = strchr(line, '\n')) {
                line += strspn(line, BLANKS "\n");
                if (is_variable(line, "=") && line[strcspn(line, "=\n")] == '=')
                        return true;
        }
        return false;
}

static int take_setting(struct drop_in *drop_in, const char *key, char *value)
{
        if (strcmp(key, "Environment") == 0)
                drop_in->sets = *value ? drop_in->sets || names_variable(value, "=") : false;
        else if (strcmp(key, "UnsetEnvironment") == 0)
                drop_in->unsets = *value ? drop_in->unsets || names_variable(value, BLANKS "\"'=") : false;
        if (strcmp(key, "EnvironmentFile") != 0)
                return 0;
        if (*value == '\0') {
                strings_clear(&drop_in->files);
                drop_in->resets = true;
                return 0;
        }
        return drop_in->files.count < FILES_MAX ? strings_add(&drop_in->files, value + (*value == '-')) : 0;
}

/* One line, whole, without blanks around it. */
static int take_line(struct drop_in *drop_in, char *line, bool *service)
{
        char *value = strchr(line, '=');
        size_t length;

        if (*line == '[')
                *service = strcmp(line, "[Service]") == 0;
        if (!*service || *line == '[' || !value)
                return 0;
        length = (size_t)(value - line);
        while (length > 0 && strchr(BLANKS, line[length - 1]))
                length--;
        line[length] = '\0';
        value++;
        return take_setting(drop_in, line, value + strspn(value, BLANKS));
}

/* A backslash at the end joins the next line with a blank, over comments (systemd.syntax(7)). */
static void join_lines(char *text)
{
        bool joined = false;
        char *to = text;

        for (const char *from = text; *from;) {
                const size_t length = strcspn(from, "\n");
                const bool last = from[length] == '\0';
                const char *word = from + strspn(from, BLANKS);
                const bool comment = *word == '#' || *word == ';';

                if (!comment || !joined) {
                        memmove(to, from, length);
                        to += length;
                        joined = !comment && length > 0 && to[-1] == '\\';
                        if (joined)
                                to[-1] = ' ';
                        else if (!last)
                                *to++ = '\n';
                }
                from += length + !last;
        }
        *to = '\0';
}

int drop_in_parse(char *text, struct drop_in *ret)
{
        _cleanup_drop_in_ drop_in = {};
        bool service = false;
        int r;

        join_lines(text);
        for (char *line; (line = strsep(&text, "\n"));) {
                size_t length;

                line += strspn(line, BLANKS);
                length = strlen(line);
                while (length > 0 && strchr(BLANKS, line[length - 1]))
                        line[--length] = '\0';
                if (*line == '#' || *line == ';')
                        continue;
                r = take_line(&drop_in, line, &service);
                if (r < 0)
                        return r;
        }
        *ret = drop_in;
        drop_in = (struct drop_in){};
        return 0;
}

/* ---- which of them take effect ---- */

/* systemd.unit(5), "Unit File Load Path": a file hides those of its name in later places. */
static const char *const places[] = {
        "/etc/systemd/system.control",  "/run/systemd/system.control",   "/run/systemd/transient",
        "/run/systemd/generator.early", "/etc/systemd/system",           "/run/systemd/system",
        "/run/systemd/generator",       "/usr/local/lib/systemd/system", "/usr/lib/systemd/system",
        "/lib/systemd/system",          "/run/systemd/generator.late",
};

struct found {
        char *name, *path;
};

struct finds {
        struct found *items;
        size_t count;
};

static void finds_clear(struct finds *finds)
{
        for (size_t i = 0; i < finds->count; i++) {
                free(finds->items[i].name);
                free(finds->items[i].path);
        }
        free(finds->items);
}

static bool is_found(const struct finds *finds, const char *name)
{
        for (size_t i = 0; i < finds->count; i++)
                if (strcmp(finds->items[i].name, name) == 0)
                        return true;
        return false;
}

static int add_found(struct finds *finds, const char *directory, const char *name)
{
        struct found *grown = reallocarray(finds->items, finds->count + 1, sizeof(*grown));
        struct found found = { .name = strdup(name) };

        if (!grown) {
                free(found.name);
                return -ENOMEM;
        }
        finds->items = grown;
        if (asprintf(&found.path, "%s/%s", directory, name) < 0)
                found.path = NULL;
        grown[finds->count++] = found;
        return found.name && found.path ? 0 : -ENOMEM;
}

static int find_in(struct finds *finds, const char *root, const char *place, const char *unit)
{
        _cleanup_free_ char *below = NULL, *directory = NULL;
        _cleanup_(closedirp) DIR *dir = NULL;
        int r;

        if (asprintf(&below, "%s/%s.d", place, unit) < 0) {
                below = NULL;
                return -ENOMEM;
        }
        directory = path_under(root, below);
        if (!directory)
                return -ENOMEM;
        dir = opendir(directory);
        for (struct dirent *entry; dir && finds->count < DROP_INS_MAX && (entry = readdir(dir));) {
                const char *dot = strrchr(entry->d_name, '.');

                if (entry->d_name[0] == '.' || !dot || strcmp(dot, ".conf") != 0 ||
                    is_found(finds, entry->d_name))
                        continue;
                r = add_found(finds, directory, entry->d_name);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int by_name(const void *a, const void *b)
{
        return strcmp(((const struct found *)a)->name, ((const struct found *)b)->name);
}

static bool file_sets_variable(const char *root, const char *name)
{
        _cleanup_free_ char *path = name[0] == '/' ? path_under(root, name) : NULL, *text = NULL;
        size_t size;

        return path && file_read(path, DROP_IN_SIZE_MAX, &text, &size) >= 0 && sets_variable(text);
}

static bool shadows(const struct drop_in *drop_in, const char *root, bool behind_ours)
{
        if (drop_in->unsets || (behind_ours && drop_in->resets))
                return true;
        for (size_t i = 0; behind_ours && i < drop_in->files.count; i++)
                if (file_sets_variable(root, drop_in->files.items[i]))
                        return true;
        return false;
}

static int judge(const struct found *found, const char *root, struct config_strings *shadowing,
                 struct config_strings *overridden)
{
        const int order = strcmp(found->name, DROP_IN_NAME);
        _cleanup_drop_in_ drop_in = {};
        _cleanup_free_ char *text = NULL;
        size_t size;
        int r;

        if (file_read(found->path, DROP_IN_SIZE_MAX, &text, &size) < 0)
                return order == 0 ? strings_add(shadowing, found->path) : 0;
        if (order == 0)
                return strcmp(text, drop_in_text) == 0 ? 0 : strings_add(shadowing, found->path);
        r = drop_in_parse(text, &drop_in);
        if (r < 0)
                return r;
        if (shadows(&drop_in, root, order > 0))
                return strings_add(shadowing, found->path);
        return drop_in.sets ? strings_add(overridden, found->path) : 0;
}

int drop_ins_look(const char *root, const char *unit, struct config_strings *ret_shadowing,
                  struct config_strings *ret_overridden)
{
        _cleanup_(finds_clear) struct finds finds = {};
        _cleanup_strings_ shadowing = {}, overridden = {};
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTS(places); i++)
                r = find_in(&finds, root, places[i], unit);
        for (size_t i = 0; r >= 0 && i < ELEMENTS(places); i++)
                r = find_in(&finds, root, places[i], "service"); /* of all services */
        if (r < 0)
                return r;
        if (finds.count > 0)
                qsort(finds.items, finds.count, sizeof(*finds.items), by_name);
        for (size_t i = 0; r >= 0 && i < finds.count; i++)
                r = judge(&finds.items[i], root, &shadowing, &overridden);
        if (r < 0)
                return r;
        *ret_shadowing = shadowing;
        *ret_overridden = overridden;
        shadowing = overridden = (struct config_strings){};
        return 0;
}
