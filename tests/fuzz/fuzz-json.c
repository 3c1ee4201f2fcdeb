/* SPDX-License-Identifier: Apache-2.0 */
#include "../../agent/lib/json-scan.c"
#include "../../agent/lib/json.c"

#include "fuzz.h"

/* What is taken survives being written and read again, unchanged; what is refused leaves one line. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_json_ json_object *value = NULL, *again = NULL;
        _cleanup_failure_ failure = {};
        const char *text;

        if (json_parse((const char *)data, size, &value, &failure) < 0) {
                promise_one_line(failure.message);
                return 0;
        }

        text = json_object_to_json_string(value);
        PROMISE(json_parse(text, strlen(text), &again, NULL) == 0);
        PROMISE(json_object_equal(value, again) == 1);
        return 0;
}
