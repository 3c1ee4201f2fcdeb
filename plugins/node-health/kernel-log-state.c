/* SPDX-License-Identifier: Apache-2.0 */

/* What was found, with the boot id and the number of the next record, in one file: after a restart of the
 * plugin nothing is counted twice and nothing is missed, however it ended. */

#include <string.h>

#include "files.h"
#include "json-file.h"
#include "kernel-log.h"
#include "timestamp.h"

#define STATE_MAX (64 * 1024)

static int save_finding(json_object *list, const char *name, const struct kernel_finding *found)
{
        _cleanup_json_ json_object *object = json_object_new_object();
        int r = 0;

        if (!object)
                return -ENOMEM;
        r |= json_set_integer(object, "count", (int64_t)found->count);
        r |= json_set_integer(object, "lastUsec", (int64_t)found->last_usec);
        r |= json_set_string(object, "last", found->last);
        r |= json_set_integer(object, "seriousCount", (int64_t)found->serious_count);
        r |= json_set_integer(object, "seriousUsec", (int64_t)found->serious_usec);
        r |= json_set_string(object, "serious", found->serious);
        return r != 0 ? -ENOMEM : json_set(list, name, TAKE_PTR(object));
}

int kernel_log_save(struct kernel_log *log)
{
        _cleanup_json_ json_object *state = NULL;
        json_object *found;
        const char *text;
        int r = 0;

        if (!log->next_known)
                return 0; /* nothing was read yet */
        state = json_object_new_object();
        found = json_object_new_object();
        if (!state || json_set(state, "found", found) < 0)
                return -ENOMEM;
        r |= json_set_string(state, "bootId", boot_id());
        r |= json_set_integer(state, "next", (int64_t)log->next);
        r |= json_set_integer(state, "lost", (int64_t)log->lost);
        for (size_t i = 0; r == 0 && i < n_kernel_rules; i++)
                if (log->found[i].count > 0)
                        r = save_finding(found, kernel_rules[i].name, &log->found[i]);
        if (r != 0)
                return -ENOMEM;
        text = json_object_to_json_string_ext(state, JSON_C_TO_STRING_PLAIN);
        if (!text)
                return -ENOMEM;
        r = file_write(log->state_path, text, strlen(text), 0600);
        if (r >= 0)
                log->changed = false;
        return r;
}

static void load_text(json_object *object, const char *key, char *buffer)
{
        const char *text = json_string(object, key);

        (void)snprintf(buffer, KERNEL_TEXT_MAX, "%s", text ? text : "");
}

static void load_finding(json_object *object, struct kernel_finding *found)
{
        found->count = (uint64_t)json_integer(object, "count", 0);
        found->last_usec = (uint64_t)json_integer(object, "lastUsec", 0);
        load_text(object, "last", found->last);
        found->serious_count = (uint64_t)json_integer(object, "seriousCount", 0);
        found->serious_usec = (uint64_t)json_integer(object, "seriousUsec", 0);
        load_text(object, "serious", found->serious);
}

int kernel_log_load(struct kernel_log *log)
{
        _cleanup_json_ json_object *state = NULL;
        json_object *found;
        const char *boot;
        int r;

        r = json_load(log->state_path, STATE_MAX, &state);
        if (r < 0)
                return r;
        boot = json_string(state, "bootId");
        if (!boot || strcmp(boot, boot_id()) != 0)
                return -ESTALE;
        log->next = (uint64_t)json_integer(state, "next", 0);
        log->next_known = true;
        log->lost = (uint64_t)json_integer(state, "lost", 0);
        found = json_member(state, "found", json_type_object);
        for (size_t i = 0; found && i < n_kernel_rules; i++) {
                json_object *object = json_member(found, kernel_rules[i].name, json_type_object);

                if (object && i == kernel_rule_index(kernel_rules[i].name))
                        load_finding(object, &log->found[i]);
        }
        return 0;
}
