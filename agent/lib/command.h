/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The git-style command table: `PROGRAM COMMAND [ARGUMENT…]`. */

#include "cleanup.h"

/* Exit statuses of every program here (sysexits.h for the last two). */
enum {
        EXIT_GOOD = 0,
        EXIT_UNHEALTHY = 1, /* unhealthy or failed */
        EXIT_USAGE = 64,
        EXIT_CONFIGURATION = 78,
};

struct command {
        const char *name;
        const char *arguments; /* for --help: "[--json] [NAME]" */
        /* argv[0] is the command's name. Returns an exit status. userdata is what command_run was given. */
        int (*run)(int argc, char *argv[], void *userdata);
        const char *summary;
        const char *example; /* shown by COMMAND --help; NULL: the command alone is one */
};

struct program {
        const char *name;    /* as the user types it: "capi-node etcd-backup" */
        const char *summary; /* one line */
        const char *example; /* shown by --help */
        const char *options; /* extra lines for --help, may be NULL */
};

/* Runs the command that argv names; prints help for none, --help or help, the version for --version, and one
 * line with the nearest name for an unknown command (EXIT_USAGE). `COMMAND … --help` and `help COMMAND` print
 * that command's help instead of running it, so that none of them can take --help for something else. The
 * tables are NULL-terminated lists of
 * tables that each end with an empty row; a name in an earlier one hides the same in a later one. */
int command_run(const struct program *program, const struct command *const tables[], int argc, char *argv[],
                void *userdata);

/* "PROGRAM: text (try PROGRAM --help)" on standard error; returns EXIT_USAGE. */
int usage_error(const struct program *program, const char *format, ...) _printf_(2, 3);

/* Takes "--root DIR" out of argv, wherever it stands; *ret_root stays as it is without. Returns 0, or
 * EXIT_USAGE with one line on standard error when DIR is missing or relative. */
int take_root(const struct program *program, int *argc, char *argv[], const char **ret_root);

/* The nearest of n names within an edit distance of a third, or NULL. */
const char *nearest_name(const char *name, const char *const *names, size_t n);
