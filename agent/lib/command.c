/* SPDX-License-Identifier: Apache-2.0 */

#include "command.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define NAME_LENGTH_MAX 64

static size_t smallest(size_t a, size_t b, size_t c)
{
        size_t least = a < b ? a : b;

        return least < c ? least : c;
}

/* Levenshtein's distance; names here are short, so one row of NAME_LENGTH_MAX is enough. */
static size_t edit_distance(const char *a, const char *b)
{
        size_t row[NAME_LENGTH_MAX + 1], length = strlen(b);

        if (length > NAME_LENGTH_MAX || strlen(a) > NAME_LENGTH_MAX)
                return SIZE_MAX;
        for (size_t j = 0; j <= length; j++)
                row[j] = j;
        for (size_t i = 1; a[i - 1]; i++) {
                size_t diagonal = row[0];

                row[0] = i;
                for (size_t j = 1; j <= length; j++) {
                        size_t above = row[j];

                        row[j] = smallest(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
                        diagonal = above;
                }
        }
        return row[length];
}

const char *nearest_name(const char *name, const char *const *names, size_t n)
{
        size_t best = (strlen(name) + 2) / 3;
        const char *nearest = NULL;

        for (size_t i = 0; i < n; i++) {
                size_t distance = edit_distance(name, names[i]);

                if (distance < best || (distance == best && !nearest)) {
                        best = distance;
                        nearest = names[i];
                }
        }
        return nearest;
}

int usage_error(const struct program *program, const char *format, ...)
{
        va_list arguments;

        fprintf(stderr, "%s: ", program->name);
        va_start(arguments, format);
        vfprintf(stderr, format, arguments);
        va_end(arguments);
        fprintf(stderr, " (try %s --help)\n", program->name);
        return EXIT_USAGE;
}

int take_root(const struct program *program, int *argc, char *argv[], const char **ret_root)
{
        int kept = 0;

        for (int i = 0; i < *argc; i++) {
                if (strcmp(argv[i], "--root") != 0) {
                        argv[kept++] = argv[i];
                        continue;
                }
                if (i + 1 >= *argc || argv[i + 1][0] != '/')
                        return usage_error(program, "--root needs an absolute directory");
                *ret_root = argv[++i];
        }
        argv[kept] = NULL;
        *argc = kept;
        return 0;
}

static const struct command *find_command(const struct command *const tables[], const char *name)
{
        for (size_t t = 0; tables[t]; t++)
                for (const struct command *command = tables[t]; command->name; command++)
                        if (strcmp(name, command->name) == 0)
                                return command;
        return NULL;
}

static int print_help(const struct program *program, const struct command *const tables[])
{
        printf("%s - %s\n\nUsage: %s COMMAND [ARGUMENT...]\n\n", program->name, program->summary,
               program->name);
        for (size_t t = 0; tables[t]; t++)
                for (const struct command *command = tables[t]; command->name; command++)
                        if (find_command(tables, command->name) == command)
                                printf("  %-10s %-28s %s\n", command->name, command->arguments,
                                       command->summary);
        if (program->options)
                printf("\n%s", program->options);
        if (program->example)
                printf("\nExample:\n  %s\n", program->example);
        return EXIT_GOOD;
}

static int print_command_help(const struct program *program, const struct command *command)
{
        printf("%s %s - %s\n\nUsage: %s %s%s%s\n", program->name, command->name, command->summary,
               program->name, command->name, command->arguments[0] ? " " : "", command->arguments);
        if (program->options)
                printf("\n%s", program->options);
        if (command->example)
                printf("\nExample:\n  %s\n", command->example);
        else
                printf("\nExample:\n  %s %s\n", program->name, command->name);
        return EXIT_GOOD;
}

static int unknown_command(const struct program *program, const struct command *const tables[],
                           const char *name)
{
        const char *names[NAME_LENGTH_MAX], *nearest;
        size_t n = 0;

        for (size_t t = 0; tables[t]; t++)
                for (const struct command *command = tables[t]; command->name && n < ELEMENTS(names);
                     command++)
                        names[n++] = command->name;
        nearest = nearest_name(name, names, n);
        if (nearest)
                return usage_error(program, "unknown command \"%s\"; did you mean \"%s\"?", name, nearest);
        return usage_error(program, "unknown command \"%s\"", name);
}

static bool is_help(const char *word)
{
        return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

static bool asks_for_help(int argc, char *argv[])
{
        for (int i = 1; i < argc; i++)
                if (is_help(argv[i]))
                        return true;
        return false;
}

int command_run(const struct program *program, const struct command *const tables[], int argc, char *argv[],
                void *userdata)
{
        const struct command *command;
        bool help;

        if (argc < 1) {
                (void)print_help(program, tables);
                return EXIT_USAGE;
        }
        help = strcmp(argv[0], "help") == 0;
        if (is_help(argv[0]) || (help && (argc == 1 || is_help(argv[1]))))
                return print_help(program, tables);
        if (strcmp(argv[0], "--version") == 0) {
                puts(PROJECT_VERSION);
                return EXIT_GOOD;
        }
        command = find_command(tables, argv[help]);
        if (!command)
                return unknown_command(program, tables, argv[help]);
        return help || asks_for_help(argc, argv) ? print_command_help(program, command)
                                                 : command->run(argc, argv, userdata);
}
