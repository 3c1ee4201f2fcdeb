/* SPDX-License-Identifier: Apache-2.0 */

#include "yaml-setting.h"

#include <string.h>
#include <yaml.h>

static void document_delete(yaml_document_t *document)
{
        yaml_document_delete(document);
}
#define _cleanup_document_ _cleanup_(document_delete) yaml_document_t

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

static const yaml_node_t *node_at(yaml_document_t *document, const char *keys)
{
        const yaml_node_t *node = yaml_document_get_root_node(document);

        while (node && *keys) {
                size_t length = strcspn(keys, ".");

                node = member(document, node, keys, length);
                keys += length;
                keys += *keys == '.';
        }
        return node && node->type == YAML_SCALAR_NODE ? node : NULL;
}

/* Returns 1 while there may be further documents. */
static int search_document(yaml_parser_t *parser, const char *keys, char **ret)
{
        _cleanup_document_ document = {};
        const yaml_node_t *node;

        if (!yaml_parser_load(parser, &document))
                return -EBADMSG;
        if (!yaml_document_get_root_node(&document))
                return 0;
        node = node_at(&document, keys);
        if (!node)
                return 1;
        *ret = strdup((const char *)node->data.scalar.value);
        return *ret ? 0 : -ENOMEM;
}

int yaml_setting(const char *text, size_t size, const char *keys, char **ret)
{
        char *found = NULL;
        yaml_parser_t parser;
        int r;

        if (!yaml_parser_initialize(&parser))
                return -ENOMEM;
        yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);
        do
                r = search_document(&parser, keys, &found);
        while (r > 0);
        yaml_parser_delete(&parser);
        if (r < 0)
                return r;
        *ret = found;
        return 0;
}
