/* SPDX-License-Identifier: Apache-2.0 */

#include "drill-result.h"

#include <string.h>

#include "copies.h"
#include "json-file.h"

#define FILE_SIZE_MAX (64 * 1024)

static const char *const outcome_names[] = {
        [DRILL_PROVEN] = "Proven",
        [DRILL_FAILED] = "Failed",
        [DRILL_SKIPPED] = "Skipped",
};

const char *drill_outcome_name(enum drill_outcome outcome)
{
        return outcome_names[outcome];
}

void drill_result_clear(struct drill_result *result)
{
        free(result->reason);
        free(result->message);
        free(result->copy);
        free(result->target);
        free(result->read_back);
        *result = (struct drill_result){};
}

static int take(json_object *object, const char *key, bool required, char **ret)
{
        const char *text = json_string(object, key);

        if (!text)
                return required ? -EINVAL : 0;
        *ret = strdup(text);
        return *ret ? 0 : -ENOMEM;
}

static int parse(json_object *object, struct drill_result *result)
{
        const char *name = json_string(object, "result");
        json_object *seconds;
        size_t i;
        int r;

        for (i = 0; i < ELEMENTS(outcome_names); i++)
                if (name && strcmp(name, outcome_names[i]) == 0)
                        break;
        if (i == ELEMENTS(outcome_names))
                return -EINVAL;
        result->outcome = (enum drill_outcome)i;
        result->revision = json_integer(object, "revision", 0);
        if (json_object_object_get_ex(object, "recoverySeconds", &seconds) && seconds)
                result->recovery_usec = (uint64_t)(json_object_get_double(seconds) * 1e6 + 0.5);
        r = take(object, "reason", true, &result->reason);
        if (r >= 0)
                r = take(object, "message", true, &result->message);
        if (r >= 0)
                r = take(object, "copy", false, &result->copy);
        if (r >= 0)
                r = take(object, "target", false, &result->target);
        if (r >= 0)
                r = take(object, "readBack", false, &result->read_back);
        return r < 0 ? r : moment_read(object, "finished", &result->finished);
}

int drill_result_load(const char *state_dir, struct drill_result *ret)
{
        _cleanup_free_ char *path = copy_path(state_dir, DRILL_FILE, "");
        _cleanup_json_ json_object *object = NULL;
        _cleanup_drill_result_ result = {};
        int r;

        if (!path)
                return -ENOMEM;
        r = json_load(path, FILE_SIZE_MAX, &object);
        if (r >= 0)
                r = parse(object, &result);
        if (r < 0)
                return r;
        *ret = result;
        result = (struct drill_result){};
        return 0;
}

int drill_result_save(const char *state_dir, const struct drill_result *result)
{
        _cleanup_json_ json_object *object = json_object_new_object();
        _cleanup_free_ char *path = copy_path(state_dir, DRILL_FILE, "");
        int r;

        if (!object || !path)
                return -ENOMEM;
        r = moment_write(&result->finished, object, "finished");
        if (r >= 0)
                r = json_set_string(object, "result", outcome_names[result->outcome]);
        if (r >= 0)
                r = json_set_string(object, "reason", result->reason);
        if (r >= 0)
                r = json_set_string(object, "message", result->message);
        if (r >= 0)
                r = json_set_integer(object, "revision", result->revision);
        if (r >= 0)
                r = json_set_double(object, "recoverySeconds", (double)result->recovery_usec / 1e6);
        if (r >= 0)
                r = json_set_string(object, "copy", result->copy);
        if (r >= 0)
                r = json_set_string(object, "target", result->target);
        if (r >= 0)
                r = json_set_string(object, "readBack", result->read_back);
        if (r < 0)
                return r;
        return json_save(path, object);
}
