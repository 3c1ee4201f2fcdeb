/* SPDX-License-Identifier: Apache-2.0 */
#include "../../plugins/registry-mirror/toml.c"

#include "../../plugins/registry-mirror/hosts-file.h"
#include "fuzz.h"

static char *write_whole(const struct toml_value *document)
{
        char *text = NULL;
        size_t size;
        FILE *stream = open_memstream(&text, &size);

        PROMISE(stream);
        PROMISE(toml_write_table(stream, "t", document) == 0);
        PROMISE(fclose(stream) == 0);
        return text;
}

/* What was read is written so that it is read as the same again; a refusal is one line. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        const struct containerd_version version = { 2, 2, 0 };
        _cleanup_(toml_freep) struct toml_value *document = NULL, *again = NULL;
        _cleanup_free_ char *copy = strndup((const char *)data, size), *text = NULL, *second = NULL;
        _cleanup_failure_ failure = {}, refusal = {};
        const struct toml_value *table;

        if (toml_parse((const char *)data, size, &document, &failure) < 0) {
                promise_one_line(failure.message);
        } else {
                text = write_whole(document);
                if (strlen(text) <= TOML_SIZE_MAX && toml_parse(text, strlen(text), &again, NULL) >= 0) {
                        table = toml_get(again, "t");
                        PROMISE(table);
                        second = write_whole(table);
                        PROMISE(strcmp(text, second) == 0);
                }
        }
        if (hosts_file_check(copy, &version, &refusal) < 0)
                PROMISE(refusal.message);
        return 0;
}
