/* SPDX-License-Identifier: Apache-2.0 */

/* `test IMAGE`: asks the hosts of the image's chain for its manifest, one after the other, as containerd does
 * (core/remotes/docker/resolver.go), and says who answered and why the others did not. */

#include <string.h>

#include "commands.h"
#include "challenge.h"
#include "hosts-file.h"
#include "http-client.h"
#include "image-reference.h"
#include "publish.h"
#include "quantity.h"

#define CONNECT_USEC  (5 * USEC_PER_SEC)
#define ANSWER_USEC   (20 * USEC_PER_SEC)
#define MANIFEST_MAX  (4 * 1024 * 1024) /* what registries take (distribution-spec) */
#define LINES_MAX     (HEADERS_MAX + 3)
#define REDIRECTS_MAX 5
#define VERDICT_SIZE  256

#define ACCEPT                                                           \
        "Accept: application/vnd.docker.distribution.manifest.v2+json, " \
        "application/vnd.docker.distribution.manifest.list.v2+json, "    \
        "application/vnd.oci.image.manifest.v1+json, "                   \
        "application/vnd.oci.image.index.v1+json, */*"

struct test {
        struct plugin_context *ctx;
        const struct mirror_plan *plan;
        const struct mirror_chain *chain; /* NULL: nobody but the registry itself */
        struct image_reference image;
        struct containerd_version version;
        struct http_client *http;
        json_object *results; /* one for each host that was looked at */

        size_t next; /* of the chain's order */
        bool upstream_done;
        const struct mirror_host *host; /* being asked; NULL: the registry itself */
        char *url;                      /* of its manifest */
        struct mirror_trust trust;
        char *token;
        unsigned redirects;
        bool away; /* a redirect led to another host, which is shown nothing that is meant for this one */
        bool found;
};

static void test_clear(struct test *test)
{
        http_client_free(test->http);
        json_object_put(test->results);
        image_reference_clear(&test->image);
        free(test->url);
        mirror_trust_clear(&test->trust);
        free(test->token);
}

static int ask_next(struct test *test);
static int ask(struct test *test);

/* ---- what is said ---- */

static char *host_name(const struct test *test, const struct mirror_host *host)
{
        return host ? strdup(host->endpoint->url) : hosts_file_upstream(test->image.host);
}

static int tell(struct test *test, const struct mirror_host *host, bool answered, const char *verdict)
{
        _cleanup_free_ char *name = host_name(test, host);
        json_object *object = json_object_new_object();
        int r;

        r = json_append(test->results, object);
        if (r >= 0 && !name)
                r = -ENOMEM;
        if (r >= 0)
                r = json_set_string(object, "host", name);
        if (r >= 0)
                r = json_set_bool(object, "answered", answered);
        return r < 0 ? r : json_set_string(object, "result", verdict);
}

static int _printf_(2, 3) give_up(struct test *test, const char *format, ...)
{
        char verdict[VERDICT_SIZE];
        va_list arguments;
        int r;

        va_start(arguments, format);
        (void)vsnprintf(verdict, sizeof(verdict), format, arguments);
        va_end(arguments);
        r = tell(test, test->host, false, verdict);
        return r < 0 ? r : ask_next(test);
}

/* ---- one host ---- */

/* Where containerd would ask: /v2 is put behind the path, unless it ends so or overrides it. */
static char *manifest_url(const struct test *test, const struct mirror_host *host)
{
        _cleanup_free_ char *base = host_name(test, host);
        bool override = host && host->endpoint->override_path;
        size_t length = base ? strlen(base) : 0;
        char *url;

        while (length > 0 && base[length - 1] == '/')
                length--;
        if (!base)
                return NULL;
        if (!override && length >= 3 && strncmp(base + length - 3, "/v2", 3) == 0)
                override = true;
        /* A mirror learns by "ns" whose image it is. */
        if (asprintf(&url, "%.*s%s/%s/manifests/%s%s%s", (int)length, base, override ? "" : "/v2",
                     test->image.repository, test->image.object, host ? "?ns=" : "",
                     host ? test->image.host : "") < 0)
                return NULL;
        return url;
}

/* The token goes before a header of the same name, as with containerd. */
static int make_lines(const struct test *test, char *lines[static LINES_MAX + 1], bool token_server)
{
        size_t n = test->host && !test->away ? test->host->n_headers : 0;
        int r;

        lines[0] = strdup(token_server ? "Accept: application/json" : ACCEPT);
        if (!lines[0])
                return -ENOMEM;
        if (test->token && !token_server && !test->away) {
                _cleanup_free_ char *value = NULL;

                if (asprintf(&value, "Bearer %s", test->token) < 0) {
                        value = NULL;
                        return -ENOMEM;
                }
                r = header_line_add(lines, "Authorization", value);
                if (r < 0)
                        return r;
        }
        /* To the server of tokens since 2.1 (containerd: #11092). */
        if (token_server && !containerd_version_at_least(&test->version, 2, 1))
                n = 0;
        for (size_t i = 0; i < n; i++) {
                const struct mirror_header *header = &test->host->headers[i];

                if (test->token && strcmp(header->name, "Authorization") == 0)
                        continue;
                r = header_line_add(lines, header->name, header->value);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int start(struct test *test, const char *url, bool token_server, http_done_fn done)
{
        const char *client_pem = test->host && !test->away ? test->host->client_pem : NULL;
        char *lines[LINES_MAX + 1] = {};
        const struct http_request request = {
                .method = "GET",
                .url = url,
                .headers = (const char *const *)lines,
                .ca_pem = test->trust.pem,
                .ca_directory = test->trust.directory,
                .cert_pem = client_pem,
                .key_pem = client_pem,
                .connect_timeout_usec = CONNECT_USEC,
                .timeout_usec = ANSWER_USEC,
                .response_max = MANIFEST_MAX,
                .userdata = test,
        };
        int r;

        r = make_lines(test, lines, token_server);
        if (r >= 0)
                r = http_start(test->http, &request, done, NULL);
        header_lines_clear(lines);
        return r;
}

static void end(struct test *test, int r)
{
        (void)sd_event_exit(test->ctx->event, r < 0 ? r : 0);
}

/* ---- the token ---- */

static void on_token(struct http_transfer *transfer, int error, void *userdata)
{
        struct test *test = userdata;
        _cleanup_json_ json_object *answer = NULL;
        const char *body, *token = NULL;
        size_t size;
        int r;

        if (error < 0) {
                r = give_up(test, "its server of tokens: %s", http_error_text(transfer));
        } else if (http_status(transfer) != 200) {
                r = give_up(test, "its server of tokens answers %ld: a pull secret may be needed",
                            http_status(transfer));
        } else {
                body = http_body(transfer, &size);
                if (json_parse(body, size, &answer, NULL) >= 0 &&
                    json_object_is_type(answer, json_type_object))
                        token = json_string(answer, "token") ?: json_string(answer, "access_token");
                test->token = token && !strpbrk(token, "\r\n") ? strdup(token) : NULL;
                r = test->token ? ask(test) : give_up(test, "its server of tokens gives none");
        }
        if (r < 0)
                end(test, r);
}

static void put_escaped(FILE *stream, const char *name, const char *value, char separator)
{
        static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";

        fprintf(stream, "%c%s=", separator, name);
        for (const unsigned char *p = (const unsigned char *)value; *p; p++)
                if (strchr(plain, *p))
                        fputc(*p, stream);
                else
                        fprintf(stream, "%%%02X", *p);
}

static char *token_url(const struct test *test, const struct challenge *challenge)
{
        _cleanup_free_ char *url = NULL, *scope = NULL;
        FILE *stream;
        size_t size;

        if (asprintf(&scope, "repository:%s:pull", test->image.repository) < 0) {
                scope = NULL;
                return NULL;
        }
        stream = open_memstream(&url, &size);
        if (!stream)
                return NULL;
        fputs(challenge->realm, stream);
        put_escaped(stream, "scope", *challenge->scope ? challenge->scope : scope,
                    strchr(challenge->realm, '?') ? '&' : '?');
        if (*challenge->service)
                put_escaped(stream, "service", challenge->service, '&');
        return fclose(stream) == 0 ? TAKE_PTR(url) : NULL;
}

static int on_unauthorized(struct test *test, struct http_transfer *transfer)
{
        const char *text = http_header(transfer, "WWW-Authenticate");
        _cleanup_free_ char *url = NULL;
        struct challenge challenge;

        if (test->away)
                return give_up(test, "leads to another host, which wants credentials");
        if (test->token || !text || challenge_parse(text, &challenge) < 0)
                return give_up(test, "answers 401: %s",
                               test->token ? "the token that anybody gets does not suffice"
                                           : "it wants credentials");
        url = token_url(test, &challenge);
        return url ? start(test, url, true, on_token) : -ENOMEM;
}

/* ---- the manifest ---- */

/* Scheme, host and port. */
static size_t origin_length(const char *url)
{
        const char *host = strstr(url, "://");

        return host ? (size_t)(host - url) + 3 + strcspn(host + 3, "/?#") : 0;
}

static bool same_origin(const char *one, const char *other)
{
        size_t length = origin_length(one);

        return length == origin_length(other) && strncasecmp(one, other, length) == 0;
}

static int on_redirect(struct test *test, struct http_transfer *transfer)
{
        const char *location = http_redirect_url(transfer);
        char *url;

        if (!location || (strncmp(location, "https://", 8) != 0 && strncmp(location, "http://", 7) != 0) ||
            ++test->redirects > REDIRECTS_MAX)
                return give_up(test, "answers %ld, and leads nowhere", http_status(transfer));
        url = strdup(location);
        if (!url)
                return -ENOMEM;
        test->away |= !same_origin(url, test->url);
        free(test->url);
        test->url = url;
        return ask(test);
}

static int on_answer(struct test *test, struct http_transfer *transfer)
{
        long status = http_status(transfer);
        const char *digest = http_header(transfer, "Docker-Content-Digest"), *body;
        char computed[SHA256_TEXT_SIZE];
        size_t size;

        if (status == 401)
                return on_unauthorized(test, transfer);
        if (status == 301 || status == 302 || status == 307 || status == 308)
                return on_redirect(test, transfer);
        if (status == 404)
                return give_up(test, "answers 404: it does not have the image");
        if (status == 429)
                return give_up(test, "answers 429: it was asked too often");
        if (status != 200)
                return give_up(test, "answers %ld", status);
        body = http_body(transfer, &size);
        if (digest_text(body, size, computed) < 0)
                return -EIO;
        if (test->image.is_digest && strcmp(computed, test->image.object) != 0)
                return give_up(test, "answers with another manifest (%s)", computed);
        if (digest && strcmp(digest, computed) != 0)
                return give_up(test, "answers with a manifest that is not what it says it is");
        test->found = true;
        end(test, 0);
        return tell(test, test->host, true, computed);
}

static void on_manifest(struct http_transfer *transfer, int error, void *userdata)
{
        struct test *test = userdata;
        int r;

        r = error < 0 ? give_up(test, "%s", http_error_text(transfer)) : on_answer(test, transfer);
        if (r < 0)
                end(test, r);
}

static int ask(struct test *test)
{
        int r;

        r = start(test, test->url, false, on_manifest);
        return r == -EINVAL ? give_up(test, "cannot be asked at %s", test->url) : r;
}

/* ---- the chain ---- */

static int ask_host(struct test *test, const struct mirror_host *host)
{
        free(test->url);
        mirror_trust_clear(&test->trust);
        free(test->token);
        test->token = NULL;
        test->redirects = 0;
        test->away = false;
        test->host = host;
        test->url = manifest_url(test, host);
        if (!test->url || mirror_plan_trust(test->plan, test->ctx->root, host, true, &test->trust) < 0)
                return -ENOMEM;
        return ask(test);
}

/* A host, the registry itself in its place, or the end. */
static int ask_next(struct test *test)
{
        const char *needed = test->image.is_digest ? "pull" : "resolve";
        const struct mirror_chain *chain = test->chain;
        int r;

        while (chain && test->next < chain->n_hosts) {
                const struct mirror_host *host = chain->hosts[chain->order.hosts[test->next]];

                if (chain->fallback && test->next == chain->order.before_upstream && !test->upstream_done)
                        break;
                test->next++;
                if (mirror_endpoint_can(host->endpoint, needed))
                        return ask_host(test, host);
                r = tell(test, host, false,
                         test->image.is_digest ? "is not asked: it lacks the capability pull"
                                               : "is not asked for tags: it lacks the capability resolve");
                if (r < 0)
                        return r;
        }
        if (!test->upstream_done && (!chain || chain->fallback)) {
                test->upstream_done = true;
                return ask_host(test, NULL);
        }
        if (chain && !chain->fallback)
                r = tell(test, NULL, false, "is never asked: \"fallback\" is false");
        else
                r = 0;
        end(test, 0);
        return r;
}

static int run(struct test *test)
{
        int r;

        test->results = json_object_new_array();
        if (!test->results)
                return -ENOMEM;
        r = sd_event_new(&test->ctx->event);
        if (r >= 0)
                r = http_client_new(test->ctx->event, &test->http);
        if (r >= 0)
                r = ask_next(test);
        return r < 0 ? r : sd_event_loop(test->ctx->event);
}

/* ---- the command ---- */

static void print(const struct test *test, bool json)
{
        if (json) {
                puts(json_object_to_json_string_ext(test->results, JSON_C_TO_STRING_PRETTY |
                                                                           JSON_C_TO_STRING_SPACED |
                                                                           JSON_C_TO_STRING_NOSLASHESCAPE));
                return;
        }
        printf("%s/%s%c%s\n", test->image.host, test->image.repository, test->image.is_digest ? '@' : ':',
               test->image.object);
        for (size_t i = 0; i < json_object_array_length(test->results); i++) {
                json_object *result = json_object_array_get_idx(test->results, i);
                bool answered = json_object_get_boolean(json_object_object_get(result, "answered"));

                printf("  %-40s %s%s\n", json_string(result, "host"), answered ? "has it: " : "",
                       json_string(result, "result"));
        }
}

/* Without a configuration containerd asks the registry itself. */
static int prepare(struct test *test, struct mirror_plan *plan, void **config, struct failure *failure)
{
        struct containerd_state state;
        int r;

        r = plugin_load_config(test->ctx, config, failure);
        if (r < 0 && r != -ENOENT)
                return r;
        r = mirror_plan_load(*config, test->ctx->root, plan, failure);
        if (r < 0)
                return r;
        containerd_state_load(test->ctx->state_dir, &state);
        test->version = state.version;
        test->plan = plan;
        test->chain = mirror_plan_find(plan, test->image.host);
        return run(test);
}

int mirror_run_test(int argc, char *argv[], void *userdata)
{
        _cleanup_(test_clear) struct test test = { .ctx = userdata };
        _cleanup_plan_ plan = {};
        _cleanup_failure_ failure = {};
        bool json = argc == 3 && strcmp(argv[2], "--json") == 0;
        void *config = NULL;
        int r;

        if (argc < 2 || argc > 3 || (argc == 3 && !json) || argv[1][0] == '-') {
                fprintf(stderr, "capi-node registry-mirror: test takes the name of one image\n");
                return EXIT_USAGE;
        }
        r = image_reference_parse(argv[1], &test.image, &failure);
        if (r < 0) {
                fprintf(stderr, "%s\n", failure.message ?: strerror(-r));
                return EXIT_USAGE;
        }
        r = prepare(&test, &plan, &config, &failure);
        if (r >= 0)
                print(&test, json);
        else
                fprintf(stderr, "%s\n", failure.message ?: strerror(-r));
        config_free(&mirror_config_type, config);
        return r >= 0 && test.found ? EXIT_GOOD : EXIT_UNHEALTHY;
}
