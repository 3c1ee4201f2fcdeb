/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* agent.json and gateway.json are capabilities too, but no plugin reports them: the agent applies them itself
 * and keeps their report in memory. */

#include "capability.h"
#include "config.h"
#include "digest.h"

struct own_file {
        char *text;   /* NULL: there is no file */
        void *config; /* parsed; NULL when it is not good */
        char desired[SHA256_TEXT_SIZE];
};

void own_file_clear(const struct config_type *type, struct own_file *file);

/* Reads and parses the file. Returns 0 (also without a file), or -EINVAL and others with a failure; then ret
 * carries what could be read. */
int own_file_load(const struct config_type *type, const char *path, struct own_file *ret,
                  struct failure *failure);

/* Renews the report in memory: what is desired, what is applied (NULL: nothing), and the error, if any; a
 * change of error is logged with the message id. Returns 0 or -ENOMEM. */
int own_report(struct capabilities *capabilities, const char *name, const char *desired, const char *applied,
               const char *error, const char *message_id);
