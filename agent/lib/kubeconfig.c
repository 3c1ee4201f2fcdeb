/* SPDX-License-Identifier: Apache-2.0 */

#include "kubeconfig.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

#include "config.h"
#include "files.h"

#define REASON "KubeconfigRefused"

/* The document and what to say when it is not good. */
struct reader {
        yaml_document_t document;
        const char *name;
        struct failure *failure;
};

static void secret_free(char *text)
{
        if (text)
                explicit_bzero(text, strlen(text));
        free(text);
}

static void material_clear(struct kubeconfig_material *material)
{
        free(material->path);
        secret_free(material->pem);
        *material = (struct kubeconfig_material){};
}

void kubeconfig_clear(struct kubeconfig *kubeconfig)
{
        free(kubeconfig->server);
        free(kubeconfig->proxy);
        material_clear(&kubeconfig->ca);
        material_clear(&kubeconfig->certificate);
        material_clear(&kubeconfig->key);
        *kubeconfig = (struct kubeconfig){};
}

/* Never quotes the file: a token or a key may stand anywhere in it. */
static int refuse(struct reader *reader, const char *what)
{
        return failure_set(reader->failure, -EINVAL, REASON, "%s: %s", reader->name, what);
}

static bool scalar_is(const yaml_node_t *node, const char *text)
{
        return node && node->type == YAML_SCALAR_NODE && node->data.scalar.length == strlen(text) &&
               memcmp(node->data.scalar.value, text, strlen(text)) == 0;
}

/* The value of a key; of one given twice the last, as in client-go. NULL when there is none. */
static yaml_node_t *member(struct reader *reader, const yaml_node_t *mapping, const char *key)
{
        yaml_node_t *found = NULL;

        if (!mapping || mapping->type != YAML_MAPPING_NODE)
                return NULL;
        for (yaml_node_pair_t *pair = mapping->data.mapping.pairs.start;
             pair < mapping->data.mapping.pairs.top; pair++)
                if (scalar_is(yaml_document_get_node(&reader->document, pair->key), key))
                        found = yaml_document_get_node(&reader->document, pair->value);
        return found;
}

/* A text, or NULL when the key is absent or null. */
static int text_member(struct reader *reader, const yaml_node_t *mapping, const char *key, char **ret)
{
        const yaml_node_t *node = member(reader, mapping, key);
        char *text = NULL;

        if (!node || scalar_is(node, "") ||
            (node->type == YAML_SCALAR_NODE && node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
             (scalar_is(node, "~") || scalar_is(node, "null")))) {
                *ret = NULL;
                return 0;
        }
        if (node->type != YAML_SCALAR_NODE || memchr(node->data.scalar.value, '\0', node->data.scalar.length))
                return failure_set(reader->failure, -EINVAL, REASON, "%s: %s is not a text", reader->name,
                                   key);
        text = strdup((const char *)node->data.scalar.value);
        if (!text)
                return -ENOMEM;
        *ret = text;
        return 0;
}

/* The element of a named list ("clusters") with that name, and of it the part that counts ("cluster"). */
static yaml_node_t *named(struct reader *reader, const char *list_key, const char *name, const char *part)
{
        const yaml_node_t *list = member(reader, yaml_document_get_root_node(&reader->document), list_key);

        if (!list || list->type != YAML_SEQUENCE_NODE)
                return NULL;
        for (yaml_node_item_t *item = list->data.sequence.items.start; item < list->data.sequence.items.top;
             item++) {
                const yaml_node_t *element = yaml_document_get_node(&reader->document, *item);

                if (scalar_is(member(reader, element, "name"), name))
                        return member(reader, element, part);
        }
        return NULL;
}

static void remove_spaces(char *text)
{
        char *to = text;

        for (const char *from = text; *from; from++)
                if (!strchr(" \t\r\n", *from))
                        *to++ = *from;
        *to = '\0';
}

/* The four characters' 24 bits, or -1. */
static int32_t decode_four(const char *text)
{
        static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        int32_t bits = 0;

        for (size_t i = 0; i < 4; i++) {
                const char *digit = strchr(digits, text[i]);

                if (!digit || *digit == '\0')
                        return -1;
                bits = bits << 6 | (int32_t)(digit - digits);
        }
        return bits;
}

/* Standard base64 (RFC 4648 section 4), as Go's encoding/json has it for bytes, of a text. Returns its
 * length, or -EINVAL. */
static ssize_t decode_text(char *base64, char *text)
{
        size_t length = strlen(base64), padding = 0, n = 0;

        if (length % 4 != 0)
                return -EINVAL;
        while (padding < 2 && padding < length && base64[length - 1 - padding] == '=')
                base64[length - 1 - padding++] = 'A'; /* zeros */
        for (size_t i = 0; i < length; i += 4) {
                int32_t bits = decode_four(base64 + i);

                if (bits < 0)
                        return -EINVAL;
                text[n++] = (char)(bits >> 16);
                text[n++] = (char)(bits >> 8);
                text[n++] = (char)bits;
        }
        n -= padding;
        return memchr(text, '\0', n) ? -EINVAL : (ssize_t)n;
}

static int decode(struct reader *reader, const char *key, char *base64, char **ret_text)
{
        size_t room;
        ssize_t n;
        char *text;

        remove_spaces(base64);
        room = strlen(base64) / 4 * 3 + 1;
        text = malloc(room);
        if (!text)
                return -ENOMEM;
        n = decode_text(base64, text);
        if (n < 0) {
                explicit_bzero(text, room);
                free(text);
                return failure_set(reader->failure, -EINVAL, REASON, "%s: %s is not PEM in base64",
                                   reader->name, key);
        }
        text[n] = '\0';
        *ret_text = text;
        return 0;
}

static int read_material(struct reader *reader, const yaml_node_t *mapping, const char *path_key,
                         const char *data_key, struct kubeconfig_material *material)
{
        char *data = NULL;
        int r;

        r = text_member(reader, mapping, path_key, &material->path);
        if (r < 0)
                return r;
        r = text_member(reader, mapping, data_key, &data);
        if (r < 0 || !data)
                return r;
        r = decode(reader, data_key, data, &material->pem);
        secret_free(data);
        return r;
}

/* What would have to change how we connect or who we are. */
static int refuse_foreign(struct reader *reader, const yaml_node_t *cluster, const yaml_node_t *user)
{
        static const char *const user_keys[] = { "token",    "tokenFile", "exec", "auth-provider",
                                                 "username", "password",  "as",   NULL };
        const yaml_node_t *insecure = member(reader, cluster, "insecure-skip-tls-verify");

        if (insecure && !scalar_is(insecure, "false"))
                return refuse(reader, "insecure-skip-tls-verify is not accepted: the server's certificate is "
                                      "always verified; give certificate-authority instead");
        if (member(reader, cluster, "tls-server-name"))
                return refuse(reader, "tls-server-name is not supported; the server's certificate has to "
                                      "carry the name in server");
        for (size_t i = 0; user_keys[i]; i++)
                if (member(reader, user, user_keys[i]))
                        return failure_set(reader->failure, -EINVAL, REASON,
                                           "%s: %s is not supported; a kubelet has a client certificate",
                                           reader->name, user_keys[i]);
        return 0;
}

static int read_cluster(struct reader *reader, const yaml_node_t *cluster, struct kubeconfig *kubeconfig)
{
        const char *allowed;
        int r;

        r = text_member(reader, cluster, "server", &kubeconfig->server);
        if (r < 0)
                return r;
        r = text_member(reader, cluster, "proxy-url", &kubeconfig->proxy);
        if (r < 0)
                return r;
        if (!kubeconfig->server || strncmp(kubeconfig->server, "https://", 8) != 0 ||
            config_check_url(kubeconfig->server, &allowed) < 0 || strpbrk(kubeconfig->server, "?#"))
                return refuse(reader, "the current context's server is not a URL like "
                                      "https://example.org:6443");
        if (kubeconfig->proxy && config_check_url(kubeconfig->proxy, &allowed) < 0)
                return refuse(reader, "proxy-url is not a URL like http://proxy.example.org:3128");
        while (kubeconfig->server[strlen(kubeconfig->server) - 1] == '/')
                kubeconfig->server[strlen(kubeconfig->server) - 1] = '\0';
        return read_material(reader, cluster, "certificate-authority", "certificate-authority-data",
                             &kubeconfig->ca);
}

static int read_user(struct reader *reader, const yaml_node_t *user, struct kubeconfig *kubeconfig)
{
        int r;

        r = read_material(reader, user, "client-certificate", "client-certificate-data",
                          &kubeconfig->certificate);
        if (r < 0)
                return r;
        r = read_material(reader, user, "client-key", "client-key-data", &kubeconfig->key);
        if (r < 0)
                return r;
        if ((!kubeconfig->certificate.path && !kubeconfig->certificate.pem) ||
            (!kubeconfig->key.path && !kubeconfig->key.pem))
                return refuse(reader, "the current context's user has no client certificate and key");
        return 0;
}

static int read_context(struct reader *reader, struct kubeconfig *kubeconfig)
{
        _cleanup_free_ char *context_name = NULL, *cluster_name = NULL, *user_name = NULL;
        const yaml_node_t *context, *cluster, *user;
        int r;

        r = text_member(reader, yaml_document_get_root_node(&reader->document), "current-context",
                        &context_name);
        if (r < 0)
                return r;
        context = context_name ? named(reader, "contexts", context_name, "context") : NULL;
        if (!context)
                return refuse(reader, "there is no context that current-context names");
        r = text_member(reader, context, "cluster", &cluster_name);
        if (r < 0)
                return r;
        r = text_member(reader, context, "user", &user_name);
        if (r < 0)
                return r;
        cluster = cluster_name ? named(reader, "clusters", cluster_name, "cluster") : NULL;
        user = user_name ? named(reader, "users", user_name, "user") : NULL;
        if (!cluster || !user)
                return refuse(reader, "there is no cluster or no user that the current context names");
        r = refuse_foreign(reader, cluster, user);
        if (r < 0)
                return r;
        r = read_cluster(reader, cluster, kubeconfig);
        return r < 0 ? r : read_user(reader, user, kubeconfig);
}

int kubeconfig_parse(const char *name, const char *text, size_t size, struct kubeconfig *ret,
                     struct failure *failure)
{
        struct reader reader = { .name = name, .failure = failure };
        _cleanup_kubeconfig_ kubeconfig = {};
        yaml_parser_t parser;
        int r;

        if (size > KUBECONFIG_MAX)
                return failure_set(failure, -EINVAL, REASON, "%s: larger than %d bytes", name,
                                   KUBECONFIG_MAX);
        if (!yaml_parser_initialize(&parser))
                return -ENOMEM;
        yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);
        if (!yaml_parser_load(&parser, &reader.document)) {
                r = parser.error == YAML_MEMORY_ERROR
                            ? -ENOMEM
                            : failure_set(failure, -EINVAL, REASON, "%s: line %zu: %s", name,
                                          parser.problem_mark.line + 1,
                                          parser.problem ? parser.problem : "not YAML");
                yaml_parser_delete(&parser);
                return r;
        }
        yaml_parser_delete(&parser);
        r = read_context(&reader, &kubeconfig);
        yaml_document_delete(&reader.document);
        if (r < 0)
                return r;
        *ret = kubeconfig;
        kubeconfig = (struct kubeconfig){};
        return 0;
}

static int resolve(const char *root, const char *path, struct kubeconfig_material *material)
{
        char *absolute;

        if (!material->path)
                return 0;
        if (material->path[0] == '/')
                absolute = path_under(root, material->path);
        else if (asprintf(&absolute, "%.*s/%s", (int)(strrchr(path, '/') - path), path, material->path) < 0)
                absolute = NULL;
        if (!absolute)
                return -ENOMEM;
        free(material->path);
        material->path = absolute;
        return 0;
}

int kubeconfig_load(const char *root, const char *path, struct kubeconfig *ret, struct failure *failure)
{
        _cleanup_free_ char *below = path_under(root, path);
        _cleanup_kubeconfig_ kubeconfig = {};
        char *text = NULL;
        size_t size;
        int r;

        if (!below)
                return -ENOMEM;
        r = file_read(below, KUBECONFIG_MAX, &text, &size);
        if (r == -ENOENT)
                return r;
        if (r < 0)
                return failure_set(failure, r, "KubeconfigUnreadable", "cannot read %s: %s", below,
                                   strerror(-r));
        r = kubeconfig_parse(below, text, size, &kubeconfig, failure);
        explicit_bzero(text, size);
        free(text);
        if (r < 0)
                return r;
        if (resolve(root, below, &kubeconfig.ca) < 0 || resolve(root, below, &kubeconfig.certificate) < 0 ||
            resolve(root, below, &kubeconfig.key) < 0)
                return -ENOMEM;
        *ret = kubeconfig;
        kubeconfig = (struct kubeconfig){};
        return 0;
}
