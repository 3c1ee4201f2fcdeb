/* SPDX-License-Identifier: Apache-2.0 */

#include "routes.h"

#include <string.h>

#include "http-fields.h"
#include "openmetrics.h"
#include "quantity.h"

#define WAIT_MAX_SECONDS 300 /* below the idle limits of most NATs and proxies on the way */

#define JSON_TYPE "application/json"
#define TEXT_TYPE "text/plain; charset=utf-8"

/* ---- /v1/health ---- */

/* Seconds of ?wait=; 0 when the key is absent. Returns -EINVAL for anything but 1 to WAIT_MAX_SECONDS. */
static int parse_wait(const struct http_request *request, unsigned *ret_seconds)
{
        struct slice text;
        unsigned seconds = 0;

        if (!http_query_value(request, "wait", &text)) {
                *ret_seconds = 0;
                return 0;
        }
        for (size_t i = 0; i < text.size && seconds <= WAIT_MAX_SECONDS; i++) {
                if (text.at[i] < '0' || text.at[i] > '9')
                        return -EINVAL;
                seconds = seconds * 10 + (unsigned)(text.at[i] - '0');
        }
        if (seconds < 1 || seconds > WAIT_MAX_SECONDS)
                return -EINVAL;
        *ret_seconds = seconds;
        return 0;
}

static int no_document(struct response *ret)
{
        return response_set_error(ret, 503,
                                  "there is no health document yet: capi-node-agent has not written one",
                                  NULL, NULL);
}

static int not_modified(const struct health_view *view, struct response *ret)
{
        *ret = (struct response){ .status = 304 };
        memcpy(ret->etag, view->etag, sizeof(ret->etag));
        return 0;
}

static int answer_health(const struct gateway *gateway, const struct exchange *exchange, struct slice rest,
                         struct response *ret, uint64_t *ret_wait_usec)
{
        const struct health_view *view = health_document_view(gateway->health);
        bool conditional = http_is_conditional(exchange->request), unchanged;
        unsigned seconds;

        if (parse_wait(exchange->request, &seconds) < 0)
                return response_set_error(ret, 400, "wait has to be a number of seconds from 1 to 300", NULL,
                                          NULL);
        if (!view)
                return no_document(ret);

        /* With If-None-Match the client says what it knows, so a change that happened while it was not
         * connected is answered at once; without, it asks for the next change from now on. */
        unchanged = conditional ? http_lists_etag(exchange->request, view->etag)
                                : strcmp(exchange->etag_before, view->etag) == 0;
        if (seconds > 0 && unchanged && !exchange->timed_out) {
                *ret_wait_usec = seconds * USEC_PER_SEC;
                return 1;
        }
        if (conditional && unchanged)
                return not_modified(view, ret);

        *ret = (struct response){ .status = 200, .type = JSON_TYPE, .body = body_ref(view->body) };
        memcpy(ret->etag, view->etag, sizeof(ret->etag));
        return 0;
}

/* ---- /v1/conditions/TYPE ---- */

static int unknown_condition(json_object *conditions, struct response *ret)
{
        json_object *types = json_object_new_array();

        for (size_t i = 0; types && i < json_object_array_length(conditions); i++) {
                const char *type = json_string(json_object_array_get_idx(conditions, i), "type");

                if (json_append(types, json_object_new_string(type)) < 0) {
                        json_object_put(types);
                        return -ENOMEM;
                }
        }
        return response_set_error(ret, 404, "there is no condition of this type", "types", types);
}

static int answer_condition(const struct gateway *gateway, const struct exchange *exchange, struct slice rest,
                            struct response *ret, uint64_t *ret_wait_usec)
{
        const struct health_view *view = health_document_view(gateway->health);
        json_object *conditions, *found = NULL;
        const char *text;
        int r;

        if (!view)
                return no_document(ret);
        conditions = json_member(view->json, "conditions", json_type_array);
        for (size_t i = 0; !found && i < json_object_array_length(conditions); i++) {
                json_object *condition = json_object_array_get_idx(conditions, i);

                if (slice_is(rest, json_string(condition, "type")))
                        found = condition;
        }
        if (!found)
                return unknown_condition(conditions, ret);
        if (http_lists_etag(exchange->request, view->etag))
                return not_modified(view, ret);

        text = json_object_to_json_string_ext(found,
                                              JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE);
        if (!text)
                return -ENOMEM;
        r = response_set_text(ret, 200, JSON_TYPE, text, strlen(text));
        if (r >= 0)
                memcpy(ret->etag, view->etag, sizeof(ret->etag));
        return r;
}

/* ---- /healthz ---- */

static void list_unhealthy(FILE *stream, json_object *conditions)
{
        for (size_t i = 0; i < json_object_array_length(conditions); i++) {
                json_object *condition = json_object_array_get_idx(conditions, i);
                json_object *healthy = json_member(condition, "healthy", json_type_boolean);

                if (!healthy || !json_object_get_boolean(healthy))
                        fprintf(stream, "%s %s\n", json_string(condition, "type"),
                                json_string(condition, "reason"));
        }
}

static int answer_healthz(const struct gateway *gateway, const struct exchange *exchange, struct slice rest,
                          struct response *ret, uint64_t *ret_wait_usec)
{
        const struct health_view *view = health_document_view(gateway->health);
        const char *status = view ? view->status : "Unknown";
        bool good = strcmp(status, "Healthy") == 0 || strcmp(status, "Degraded") == 0;
        _cleanup_free_ char *text = NULL;
        struct slice verbose;
        size_t size;
        FILE *stream;

        stream = open_memstream(&text, &size);
        if (!stream)
                return -ENOMEM;
        fprintf(stream, "%s\n", status);
        if (view && http_query_value(exchange->request, "verbose", &verbose))
                list_unhealthy(stream, json_member(view->json, "conditions", json_type_array));
        if (fclose(stream) != 0)
                return -ENOMEM;
        return response_set_text(ret, good ? 200 : 503, TEXT_TYPE, text, size);
}

/* ---- /metrics ---- */

static int write_page(const struct gateway *gateway, FILE *stream)
{
        const struct body *agent = health_document_metrics(gateway->health);

        if (agent) {
                (void)fwrite(agent->data, 1, agent->size, stream);
                if (agent->size > 0 && agent->data[agent->size - 1] != '\n')
                        fputc('\n', stream);
        }
        return statistics_write(stream, &gateway->statistics, gateway->n_connections, gateway->health);
}

static int as_openmetrics(const char *page, size_t size, struct response *ret)
{
        _cleanup_free_ char *text = NULL;
        size_t text_size;
        FILE *stream = open_memstream(&text, &text_size);

        if (!stream)
                return -ENOMEM;
        openmetrics_write(stream, page, size);
        openmetrics_end(stream);
        if (fclose(stream) != 0)
                return -ENOMEM;
        return response_set_text(ret, 200, OPENMETRICS_TYPE, text, text_size);
}

static int answer_metrics(const struct gateway *gateway, const struct exchange *exchange, struct slice rest,
                          struct response *ret, uint64_t *ret_wait_usec)
{
        _cleanup_free_ char *page = NULL;
        size_t size;
        FILE *stream;
        int r;

        stream = open_memstream(&page, &size);
        if (!stream)
                return -ENOMEM;
        r = write_page(gateway, stream);
        if (fclose(stream) != 0 || r < 0)
                return -ENOMEM;
        if (http_prefers_openmetrics(exchange->request))
                return as_openmetrics(page, size, ret);
        return response_set_text(ret, 200, TEXT_FORMAT_TYPE, page, size);
}

/* ---- the table ---- */

static const struct route {
        const char *path; /* one that ends with a slash stands for all below it */
        int (*answer)(const struct gateway *gateway, const struct exchange *exchange, struct slice rest,
                      struct response *ret, uint64_t *ret_wait_usec);
        bool scraped;
} routes[] = {
        { "/v1/health", answer_health, false },
        { "/v1/conditions/", answer_condition, false },
        { "/healthz", answer_healthz, false },
        { "/metrics", answer_metrics, true },
};

static bool matches(const struct route *route, struct slice path, struct slice *ret_rest)
{
        size_t size = strlen(route->path);

        if (path.size < size || memcmp(path.at, route->path, size) != 0 ||
            (path.size > size && route->path[size - 1] != '/'))
                return false;
        *ret_rest = (struct slice){ path.at + size, path.size - size };
        return true;
}

static int unknown_path(struct response *ret)
{
        json_object *paths = json_object_new_array();

        for (size_t i = 0; paths && i < ELEMENTS(routes); i++)
                if (json_append(paths, json_object_new_string(routes[i].path)) < 0) {
                        json_object_put(paths);
                        return -ENOMEM;
                }
        return response_set_error(ret, 404, "there is nothing under this path", "paths", paths);
}

bool routes_is_scraped(struct slice path)
{
        struct slice rest;

        for (size_t i = 0; i < ELEMENTS(routes); i++)
                if (matches(&routes[i], path, &rest))
                        return routes[i].scraped;
        return false;
}

int routes_answer(const struct gateway *gateway, const struct exchange *exchange, struct response *ret,
                  uint64_t *ret_wait_usec)
{
        struct slice rest;

        for (size_t i = 0; i < ELEMENTS(routes); i++)
                if (matches(&routes[i], exchange->request->path, &rest))
                        return routes[i].answer(gateway, exchange, rest, ret, ret_wait_usec);
        return unknown_path(ret);
}
