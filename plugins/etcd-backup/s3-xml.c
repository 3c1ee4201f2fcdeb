/* SPDX-License-Identifier: Apache-2.0 */

#include "s3-xml.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"

#define DEPTH_MAX 8

struct xml {
        const struct s3_xml_reader *reader;
        const char *at, *end;
        char path[S3_XML_PATH_MAX]; /* of the open elements */
        size_t depth;
        bool parent[DEPTH_MAX + 1]; /* whether the element at the depth has children */
        char text[S3_XML_TEXT_MAX]; /* since the last tag */
        size_t text_size;
};

static bool starts_with(const struct xml *xml, const char *text)
{
        size_t size = strlen(text);

        return (size_t)(xml->end - xml->at) >= size && memcmp(xml->at, text, size) == 0;
}

static bool is_space(char c)
{
        return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void skip_space(struct xml *xml)
{
        while (xml->at < xml->end && is_space(*xml->at))
                xml->at++;
}

static bool is_name_character(char c)
{
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
               c == '_' || c == '.' || c == ':';
}

/* The name's first byte, its end in xml->at; NULL: there is none. */
static const char *take_name(struct xml *xml)
{
        const char *name = xml->at;

        while (xml->at < xml->end && is_name_character(*xml->at))
                xml->at++;
        return xml->at > name ? name : NULL;
}

static int add_text(struct xml *xml, const char *text, size_t size)
{
        if (size >= sizeof(xml->text) - xml->text_size)
                return -EBADMSG;
        memcpy(xml->text + xml->text_size, text, size);
        xml->text_size += size;
        return 0;
}

/* As UTF-8. What a key may hold though XML forbids it (S3 sends &#x1; for it) is taken; NUL is not. */
static int add_character(struct xml *xml, uint32_t c)
{
        char bytes[4];
        size_t size;

        if (c == 0 || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF))
                return -EBADMSG;
        if (c < 0x80) {
                bytes[0] = (char)c;
                size = 1;
        } else if (c < 0x800) {
                bytes[0] = (char)(0xC0 | c >> 6);
                bytes[1] = (char)(0x80 | (c & 0x3F));
                size = 2;
        } else if (c < 0x10000) {
                bytes[0] = (char)(0xE0 | c >> 12);
                bytes[1] = (char)(0x80 | (c >> 6 & 0x3F));
                bytes[2] = (char)(0x80 | (c & 0x3F));
                size = 3;
        } else {
                bytes[0] = (char)(0xF0 | c >> 18);
                bytes[1] = (char)(0x80 | (c >> 12 & 0x3F));
                bytes[2] = (char)(0x80 | (c >> 6 & 0x3F));
                bytes[3] = (char)(0x80 | (c & 0x3F));
                size = 4;
        }
        return add_text(xml, bytes, size);
}

/* Behind "&#". */
static int take_number(struct xml *xml)
{
        uint32_t base = 10, c = 0;
        const char *first;

        if (xml->at < xml->end && *xml->at == 'x') {
                base = 16;
                xml->at++;
        }
        for (first = xml->at; xml->at < xml->end && *xml->at != ';'; xml->at++) {
                char digit = *xml->at;
                uint32_t value = digit >= '0' && digit <= '9'   ? (uint32_t)(digit - '0')
                                 : digit >= 'a' && digit <= 'f' ? (uint32_t)(digit - 'a' + 10)
                                 : digit >= 'A' && digit <= 'F' ? (uint32_t)(digit - 'A' + 10)
                                                                : base;

                if (value >= base || xml->at - first >= 8)
                        return -EBADMSG;
                c = c * base + value;
        }
        if (xml->at == xml->end || xml->at == first)
                return -EBADMSG;
        xml->at++;
        return add_character(xml, c);
}

static int take_entity(struct xml *xml)
{
        static const struct {
                const char *name;
                char character;
        } entities[] = {
                { "&amp;", '&' }, { "&lt;", '<' }, { "&gt;", '>' }, { "&quot;", '"' }, { "&apos;", '\'' }
        };

        if (starts_with(xml, "&#")) {
                xml->at += 2;
                return take_number(xml);
        }
        for (size_t i = 0; i < ELEMENTS(entities); i++)
                if (starts_with(xml, entities[i].name)) {
                        xml->at += strlen(entities[i].name);
                        return add_text(xml, &entities[i].character, 1);
                }
        return -EBADMSG;
}

static int take_text(struct xml *xml)
{
        const char *first = xml->at;
        int r;

        if (*first == '&')
                return xml->depth > 0 ? take_entity(xml) : -EBADMSG;
        while (xml->at < xml->end && *xml->at != '<' && *xml->at != '&') {
                if (*xml->at == '\0')
                        return -EBADMSG;
                xml->at++;
        }
        r = add_text(xml, first, (size_t)(xml->at - first));
        if (r < 0 || xml->depth > 0)
                return r;
        for (; first < xml->at; first++) /* nothing may stand beside the one top element */
                if (!is_space(*first))
                        return -EBADMSG;
        return 0;
}

/* NAME="VALUE", which nothing here needs. */
static int skip_attribute(struct xml *xml)
{
        const char *closing;
        char quote;

        if (!take_name(xml) || xml->end - xml->at < 2 || xml->at[0] != '=')
                return -EBADMSG;
        quote = xml->at[1];
        if (quote != '"' && quote != '\'')
                return -EBADMSG;
        xml->at += 2;
        closing = memchr(xml->at, quote, (size_t)(xml->end - xml->at));
        if (!closing || memchr(xml->at, '<', (size_t)(closing - xml->at)))
                return -EBADMSG;
        xml->at = closing + 1;
        return 0;
}

static int close_element(struct xml *xml)
{
        char *slash;
        int r;

        xml->text[xml->text_size] = '\0';
        if (xml->parent[xml->depth])
                r = xml->reader->end ? xml->reader->end(xml->path, xml->reader->userdata) : 0;
        else
                r = xml->reader->text(xml->path, xml->text, xml->reader->userdata);
        slash = strrchr(xml->path, '/');
        *(slash ?: xml->path) = '\0';
        xml->depth--;
        xml->text_size = 0;
        return r;
}

static int open_element(struct xml *xml)
{
        size_t length = strlen(xml->path), size;
        const char *name;
        int r;

        xml->at++;
        name = take_name(xml);
        if (!name || xml->depth == DEPTH_MAX || (xml->depth == 0 && xml->parent[0]))
                return -EBADMSG;
        size = (size_t)(xml->at - name);
        if (length + 1 + size >= sizeof(xml->path))
                return -EBADMSG;
        (void)snprintf(xml->path + length, sizeof(xml->path) - length, "%s%.*s", length > 0 ? "/" : "",
                       (int)size, name);
        xml->parent[xml->depth++] = true; /* of the document itself: that its one element was there */
        xml->parent[xml->depth] = false;
        xml->text_size = 0;

        for (;;) {
                bool spaced = xml->at < xml->end && is_space(*xml->at);

                skip_space(xml);
                if (starts_with(xml, "/>")) {
                        xml->at += 2;
                        return close_element(xml);
                }
                if (starts_with(xml, ">")) {
                        xml->at++;
                        return 0;
                }
                r = spaced ? skip_attribute(xml) : -EBADMSG;
                if (r < 0)
                        return r;
        }
}

static int end_element(struct xml *xml)
{
        const char *open = strrchr(xml->path, '/') ? strrchr(xml->path, '/') + 1 : xml->path, *name;

        xml->at += 2;
        name = take_name(xml);
        if (!name || xml->depth == 0 || strlen(open) != (size_t)(xml->at - name) ||
            memcmp(open, name, strlen(open)) != 0)
                return -EBADMSG;
        skip_space(xml);
        if (!starts_with(xml, ">"))
                return -EBADMSG;
        xml->at++;
        return close_element(xml);
}

static int skip_declaration(struct xml *xml)
{
        const char *end;

        if (starts_with(xml, "\xEF\xBB\xBF"))
                xml->at += 3;
        skip_space(xml);
        if (!starts_with(xml, "<?xml "))
                return 0;
        end = memmem(xml->at, (size_t)(xml->end - xml->at), "?>", 2);
        if (!end)
                return -EBADMSG;
        xml->at = end + 2;
        return 0;
}

int s3_xml_read(const char *text, size_t size, const struct s3_xml_reader *reader)
{
        struct xml xml = { .reader = reader, .at = text, .end = text + size };
        int r;

        r = skip_declaration(&xml);
        while (r >= 0 && xml.at < xml.end) {
                if (*xml.at != '<')
                        r = take_text(&xml);
                else
                        r = starts_with(&xml, "</") ? end_element(&xml) : open_element(&xml);
        }
        if (r < 0)
                return r;
        return xml.depth == 0 && xml.parent[0] ? 0 : -EBADMSG;
}
