/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Files outside a plugin's own directories that it makes, keeps and takes away again. STATE/owned.json names
 * them, from before the first is written until after the last is gone, so that nothing of ours is forgotten
 * and nothing of others is touched, whatever happens in between. */

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#include "failure.h"

struct owned_file {
        const char *path; /* as the node knows it; the root is put in front */
        const char *text;
        mode_t mode;
        /* What of the text may be shown, without its secrets; owned by the caller, NULL: no memory. May be
         * NULL: all of it. */
        char *(*shown)(const char *text);
};

/* Writes the wanted files where they are missing or different, in their order, with the directories that lack
 * (0755; the lowest of them never is there without a file in it); then removes what earlier calls wrote and
 * is wanted no longer, the last first, and the directories that they made when these are empty. Returns how
 * many files changed; -EEXIST with a failure (ForeignFile) when there is a wanted file that no call wrote,
 * unless it is just as wanted: nothing is changed then; or -errno with a failure (FileNotWritten,
 * StateNotWritten). */
int owned_files_apply(const char *root, const char *state_dir, const struct owned_file *wanted, size_t n,
                      struct failure *failure);

/* Prints what apply would change, as unified diffs, or returns its refusal. */
int owned_files_show(const char *root, const char *state_dir, const struct owned_file *wanted, size_t n,
                     FILE *stream, struct failure *failure);

/* 1 when the file is there, was not written by a call, and is not just as wanted; 0 when not; or -errno. */
int owned_files_foreign(const char *root, const char *state_dir, const struct owned_file *file);

/* Whether the record names it, there or not. */
bool owned_files_recorded(const char *state_dir, const char *path);
