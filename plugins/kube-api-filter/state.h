/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What lasts: which list is confirmed, which is on trial, which failed. STATE/state.json, and the lists in
 * STATE/lists, each under its digest. The file is written before the kernel is told, so that a process that
 * was killed in between finds what it wanted. */

#include <stdbool.h>
#include <stdint.h>

#include "list.h"
#include "names.h"

struct filter_state {
        uint32_t generation; /* the last one that was used, for sets and chains */
        char confirmed[SHA256_TEXT_SIZE];
        char candidate[SHA256_TEXT_SIZE];
        char rejected[SHA256_TEXT_SIZE]; /* was tried and not confirmed */
        char *rejected_because;
        char boot_id[40];             /* the boot to which the times below belong */
        uint64_t deadline_usec;       /* CLOCK_BOOTTIME: when the kernel drops the candidate */
        uint64_t disabled_until_usec; /* CLOCK_BOOTTIME; 0: not */
        uint64_t changed_usec;        /* CLOCK_REALTIME of the last change of the list in force */
        uint64_t repairs;
        struct names names;
};

/* Times of an earlier boot, and the candidate that they belong to, are over. Without a file, an empty state.
 * A file that cannot be read is -EBADMSG. */
int state_load(const char *directory, struct filter_state *ret);
int state_save(const char *directory, const struct filter_state *state);
void state_clear(struct filter_state *state);

/* digest "" has no list: -ENOENT. */
int state_load_list(const char *directory, const char *digest, struct filter_list **ret);
int state_save_list(const char *directory, const struct filter_list *list);
/* Removes lists that the state does not name. */
void state_sweep_lists(const char *directory, const struct filter_state *state);
/* Removes everything. */
int state_remove(const char *directory);
