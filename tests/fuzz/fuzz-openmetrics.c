/* SPDX-License-Identifier: Apache-2.0 */
#include "../../agent/gateway/http-request.c"
#include "../../agent/gateway/openmetrics.c"

#include "fuzz.h"

/* Whatever the page is, what comes out has no empty lines and no comments but TYPE, HELP and one EOF at its
 * end. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_free_ char *text = NULL;
        size_t text_size;
        FILE *stream = open_memstream(&text, &text_size);
        struct slice rest;

        PROMISE(stream);
        openmetrics_write(stream, (const char *)data, size);
        openmetrics_end(stream);
        PROMISE(fclose(stream) == 0);

        rest = (struct slice){ text, text_size };
        PROMISE(ends_with(rest, "# EOF\n"));
        rest.size -= strlen("# EOF\n");
        while (rest.size > 0) {
                struct slice line = slice_cut(&rest, '\n');

                PROMISE(line.size > 0);
                PROMISE(line.at[0] != '#' || starts_with(line, "# TYPE ") || starts_with(line, "# HELP "));
        }
        return 0;
}
