/* SPDX-License-Identifier: Apache-2.0 */
#include "../../plugins/etcd-backup/s3-error.c"
#include "../../plugins/etcd-backup/s3-xml.c"

#include "fuzz.h"

struct reading {
        size_t texts, ends;
};

static int count_text(const char *path, const char *text, void *userdata)
{
        PROMISE(path[0] != '\0' && strlen(path) < S3_XML_PATH_MAX && strlen(text) < S3_XML_TEXT_MAX);
        ((struct reading *)userdata)->texts++;
        return 0;
}

static int count_end(const char *path, void *userdata)
{
        PROMISE(path[0] != '\0' && strlen(path) < S3_XML_PATH_MAX);
        ((struct reading *)userdata)->ends++;
        return 0;
}

/* What is read is bounded; a document has its one element; and an error makes one line. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct reading reading = {};
        const struct s3_xml_reader reader = { count_text, count_end, &reading };
        _cleanup_failure_ failure = {};
        struct s3_error error;
        int r;

        r = s3_xml_read((const char *)data, size, &reader);
        PROMISE(r == 0 || r == -EBADMSG);
        PROMISE(r < 0 || reading.texts + reading.ends > 0);
        PROMISE((reading.texts + reading.ends) * 4 <= size);
        (void)s3_error_read((const char *)data, size, &error);
        PROMISE(s3_error_explain(400, &error, &failure) < 0);
        promise_one_line(failure.message);
        return 0;
}
