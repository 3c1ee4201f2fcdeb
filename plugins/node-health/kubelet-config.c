/* SPDX-License-Identifier: Apache-2.0 */

#include "kubelet-config.h"

#include <string.h>
#include <yaml.h>

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

int kubelet_config_at(const char *text, size_t size, const char *keys, char **ret)
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
