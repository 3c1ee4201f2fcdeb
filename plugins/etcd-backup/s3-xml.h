/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The small part of XML that S3 answers in: elements and text. Anything that could pull in more (a document
 * type, processing instructions, CDATA) is refused, and so is what is larger than an answer can be. */

#include <stddef.h>

#define S3_XML_PATH_MAX 256  /* "ListBucketResult/Contents/Key" */
#define S3_XML_TEXT_MAX 4096 /* a key has at most 1024 bytes, an upload id some hundred */

struct s3_xml_reader {
        /* An element without children ended; its text with entities replaced. Negative errno ends it all. */
        int (*text)(const char *path, const char *text, void *userdata);
        /* An element with children ended; may be NULL. */
        int (*end)(const char *path, void *userdata);
        void *userdata;
};

/* Returns 0, -EBADMSG for what is not such a document, or what a callback returned. */
int s3_xml_read(const char *xml, size_t size, const struct s3_xml_reader *reader);
