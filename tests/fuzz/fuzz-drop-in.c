/* SPDX-License-Identifier: Apache-2.0 */

/* Any text as a drop-in, as a file of credentials, and as a proxy's answer. */

#include "fuzz.h"

#include "credentials.h"
#include "drop-in.c"
#include "probe.h"

static void read_drop_in(const char *text)
{
        _cleanup_drop_in_ drop_in = {};
        _cleanup_free_ char *copy = strdup(text);

        PROMISE(copy);
        PROMISE(drop_in_parse(copy, &drop_in) == 0);
        PROMISE(drop_in.files.count <= FILES_MAX);
        for (size_t i = 0; i < drop_in.files.count; i++)
                PROMISE(!strchr(drop_in.files.items[i], '\n'));
        (void)sets_variable(text);
}

/* Whatever the password is, what is shown is the same. */
static void hide(const char *credentials)
{
        _cleanup_free_ char *url = credentials_in_url("http://host:1", credentials), *shown = NULL;

        PROMISE(url);
        shown = credentials_hide(url);
        PROMISE(shown && strcmp(shown, "http://***@host:1") == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_free_ char *text = strndup((const char *)data, size);
        char *credentials = NULL;

        PROMISE(text);
        read_drop_in(text);
        if (credentials_parse((const char *)data, size, &credentials) >= 0)
                hide(credentials);
        credentials_free(credentials);
        (void)probe_status((const char *)data, size);
        return 0;
}
