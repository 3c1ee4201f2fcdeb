/* SPDX-License-Identifier: Apache-2.0 */

#include "node-files.h"

#include <string.h>
#include <yaml.h>

#include "files.h"

#define MANIFEST_MAX  (256 * 1024)
#define ARGUMENTS_MAX 512

static void document_delete(yaml_document_t *document)
{
        yaml_document_delete(document);
}
#define _cleanup_document_ _cleanup_(document_delete) yaml_document_t

static int load(const char *text, size_t size, yaml_document_t *ret)
{
        yaml_parser_t parser;
        int good;

        if (!yaml_parser_initialize(&parser))
                return -ENOMEM;
        yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);
        good = yaml_parser_load(&parser, ret);
        yaml_parser_delete(&parser);
        return good ? 0 : -EBADMSG;
}

void arguments_clear(struct arguments *arguments)
{
        for (size_t i = 0; i < arguments->count; i++)
                free(arguments->items[i]);
        free(arguments->items);
        *arguments = (struct arguments){};
}

static int add_argument(struct arguments *arguments, const char *text)
{
        if (arguments->count == ARGUMENTS_MAX)
                return -EBADMSG;
        if (!arguments->items)
                arguments->items = calloc(ARGUMENTS_MAX, sizeof(*arguments->items));
        if (!arguments->items)
                return -ENOMEM;
        arguments->items[arguments->count] = strdup(text);
        if (!arguments->items[arguments->count])
                return -ENOMEM;
        arguments->count++;
        return 0;
}

/* Every text that begins with two hyphens, wherever it stands: in a manifest those are arguments only. */
int manifest_parse(const char *text, size_t size, struct arguments *ret)
{
        _cleanup_(arguments_clear) struct arguments arguments = {};
        _cleanup_document_ document = {};
        int r = load(text, size, &document);

        for (yaml_node_t *node = document.nodes.start; r >= 0 && node < document.nodes.top; node++)
                if (node->type == YAML_SCALAR_NODE && strncmp((char *)node->data.scalar.value, "--", 2) == 0)
                        r = add_argument(&arguments, (char *)node->data.scalar.value);
        if (r < 0)
                return r;
        *ret = arguments;
        arguments = (struct arguments){};
        return 0;
}

int manifest_read(const char *root, const char *path, struct arguments *ret)
{
        _cleanup_free_ char *full = path_under(root, path), *text = NULL;
        size_t size;
        int r;

        if (!full)
                return -ENOMEM;
        r = file_read(full, MANIFEST_MAX, &text, &size);
        return r < 0 ? r : manifest_parse(text, size, ret);
}

const char *argument_value(const struct arguments *arguments, const char *name)
{
        const char *found = NULL;
        size_t length = strlen(name);

        for (size_t i = 0; i < arguments->count; i++)
                if (strncmp(arguments->items[i], name, length) == 0 && arguments->items[i][length] == '=')
                        found = arguments->items[i] + length + 1;
        return found;
}

static yaml_node_t *member(yaml_document_t *document, const yaml_node_t *node, const char *key, size_t length)
{
        if (!node || node->type != YAML_MAPPING_NODE)
                return NULL;
        for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top;
             pair++) {
                const yaml_node_t *name = yaml_document_get_node(document, pair->key);

                if (name && name->type == YAML_SCALAR_NODE && name->data.scalar.length == length &&
                    memcmp(name->data.scalar.value, key, length) == 0)
                        return yaml_document_get_node(document, pair->value);
        }
        return NULL;
}

int yaml_text_at(const char *text, size_t size, const char *keys, char **ret)
{
        _cleanup_document_ document = {};
        const yaml_node_t *node;
        char *found = NULL;
        int r;

        r = load(text, size, &document);
        if (r < 0)
                return r;
        node = yaml_document_get_root_node(&document);
        while (node && *keys) {
                size_t length = strcspn(keys, ".");

                node = member(&document, node, keys, length);
                keys += length;
                keys += *keys == '.';
        }
        if (node && node->type == YAML_SCALAR_NODE) {
                found = strdup((const char *)node->data.scalar.value);
                if (!found)
                        return -ENOMEM;
        }
        *ret = found;
        return 0;
}
