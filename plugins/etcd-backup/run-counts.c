/* SPDX-License-Identifier: Apache-2.0 */

#include "run-counts.h"

#include <stdio.h>
#include <string.h>

#define REST "Other"

static const char *const stage_names[] = {
        [STAGE_ASK] = "ask",       [STAGE_STREAM] = "stream",   [STAGE_WALK] = "walk",
        [STAGE_VERIFY] = "verify", [STAGE_PUBLISH] = "publish", [STAGE_DELIVER] = "deliver",
        [STAGE_PRUNE] = "prune",
};

const char *run_stage_name(enum run_stage stage)
{
        return stage_names[stage];
}

int run_stages_write(const uint64_t usec[static STAGE_COUNT], json_object *object)
{
        _cleanup_json_ json_object *part = json_object_new_object();
        int r = part ? 0 : -ENOMEM;

        for (size_t i = 0; i < STAGE_COUNT && r >= 0; i++)
                r = json_set_integer(part, stage_names[i], (int64_t)usec[i]);
        return r < 0 ? r : json_set(object, "stagesUsec", TAKE_PTR(part));
}

void run_stages_read(json_object *object, uint64_t ret_usec[static STAGE_COUNT])
{
        json_object *part = json_member(object, "stagesUsec", json_type_object);

        for (size_t i = 0; i < STAGE_COUNT; i++) {
                int64_t usec = part ? json_integer(part, stage_names[i], 0) : 0;

                ret_usec[i] = usec > 0 ? (uint64_t)usec : 0;
        }
}

static void add(struct failure_counts *counts, const char *reason, uint64_t n)
{
        struct failure_count *item;

        for (size_t i = 0; i < counts->count; i++)
                if (strcmp(counts->items[i].reason, reason) == 0) {
                        counts->items[i].count += n;
                        return;
                }
        if (counts->count + 1 >= FAILURE_REASONS_MAX && strcmp(reason, REST) != 0) {
                add(counts, REST, n);
                return;
        }
        item = &counts->items[counts->count++];
        (void)snprintf(item->reason, sizeof(item->reason), "%s", reason);
        item->count = n;
}

void failure_counts_add(struct failure_counts *counts, const char *reason)
{
        add(counts, strlen(reason) < FAILURE_REASON_SIZE ? reason : REST, 1);
}

int failure_counts_write(const struct failure_counts *counts, json_object *object)
{
        _cleanup_json_ json_object *part = json_object_new_object();
        int r = part ? 0 : -ENOMEM;

        for (size_t i = 0; i < counts->count && r >= 0; i++)
                r = json_set_integer(part, counts->items[i].reason, (int64_t)counts->items[i].count);
        return r < 0 ? r : json_set(object, "failuresByReason", TAKE_PTR(part));
}

void failure_counts_read(json_object *object, struct failure_counts *ret)
{
        json_object *part = json_member(object, "failuresByReason", json_type_object);

        *ret = (struct failure_counts){};
        if (!part)
                return;
        json_object_object_foreach (part, reason, value) {
                if (json_object_is_type(value, json_type_int) && json_object_get_int64(value) > 0 &&
                    strlen(reason) < FAILURE_REASON_SIZE)
                        add(ret, reason, (uint64_t)json_object_get_int64(value));
        }
}
