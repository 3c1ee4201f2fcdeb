/* SPDX-License-Identifier: Apache-2.0 */

/* Commands ask the resident process, which is the only one that changes the table: a request is a file, and
 * so is its answer. */

#include <fcntl.h>
#include <string.h>
#include <time.h>

#include "files.h"
#include "json.h"
#include "log.h"
#include "quantity.h"
#include "service.h"
#include "timestamp.h"

#define REQUEST_FILE   "request.json"
#define ANSWER_FILE    "answer.json"
#define REQUEST_MAX    4096
#define ANSWER_WAIT    (30 * USEC_PER_SEC)
#define ANSWER_LOOK_MS 2

static char *path_in(const char *directory, const char *name)
{
        char *path;

        return asprintf(&path, "%s/%s", directory, name) < 0 ? NULL : path;
}

static int load(const char *path, json_object **ret)
{
        _cleanup_free_ char *text = NULL;
        size_t size;
        int r;

        r = file_read(path, REQUEST_MAX, &text, &size);
        if (r < 0)
                return r;
        r = json_parse(text, size, ret, NULL);
        if (r >= 0 && !json_object_is_type(*ret, json_type_object)) {
                json_object_put(*ret);
                r = -EBADMSG;
        }
        return r;
}

static int save(const char *path, json_object *object)
{
        const char *text = json_object_to_json_string(object);

        return text ? file_write_volatile(path, text, strlen(text), 0600) : -ENOMEM;
}

static int write_answer(const char *directory, int64_t id, int status, const char *text)
{
        _cleanup_free_ char *path = path_in(directory, ANSWER_FILE);
        _cleanup_json_ json_object *object = json_object_new_object();
        int r;

        if (!path || !object)
                return -ENOMEM;
        r = json_set_integer(object, "id", id);
        if (r >= 0)
                r = json_set_integer(object, "status", status);
        if (r >= 0)
                r = json_set_string(object, "text", text);
        return r < 0 ? r : save(path, object);
}

static void on_request(void *userdata)
{
        struct service *service = userdata;
        const char *directory = service->ctx->state_dir;
        _cleanup_free_ char *path = path_in(directory, REQUEST_FILE), *text = NULL;
        _cleanup_json_ json_object *object = NULL;
        struct request request;
        int r;

        if (!path || load(path, &object) < 0)
                return;
        (void)unlink(path);
        /* Its id is when it was made; nobody waits for an old one's answer any more. */
        if ((uint64_t)json_integer(object, "id", 0) + ANSWER_WAIT < now_boottime_usec())
                return;
        request = (struct request){
                .operation = (enum operation)json_integer(object, "operation", 0),
                .usec = (uint64_t)json_integer(object, "usec", 0),
                .force = json_integer(object, "force", 0),
        };
        r = service_perform(service, &request, &text);
        r = write_answer(directory, json_integer(object, "id", 0), r, text ? text : strerror(-r));
        if (r < 0)
                (void)log_error(r, "Cannot answer a command");
}

int service_watch_requests(struct service *service)
{
        _cleanup_free_ char *path = path_in(service->ctx->state_dir, REQUEST_FILE);
        int r;

        if (!path)
                return -ENOMEM;
        r = file_watch_new(service->ctx->event, path, 0, on_request, service, &service->request_watch);
        if (r >= 0)
                on_request(service); /* one may have come while this process started */
        return r;
}

/* Returns 0 and the answer's status, or -EAGAIN when it is not there yet. */
static int read_answer(const char *path, int64_t id, int *ret_status, char **ret_text)
{
        _cleanup_json_ json_object *object = NULL;
        const char *text;

        if (load(path, &object) < 0 || json_integer(object, "id", 0) != id)
                return -EAGAIN;
        text = json_string(object, "text");
        *ret_text = strdup(text ? text : "");
        if (!*ret_text)
                return -ENOMEM;
        *ret_status = (int)json_integer(object, "status", -EIO);
        return 0;
}

int service_ask(const char *directory, const struct request *request, char **ret_text)
{
        _cleanup_free_ char *path = path_in(directory, REQUEST_FILE),
                            *answer = path_in(directory, ANSWER_FILE);
        _cleanup_json_ json_object *object = json_object_new_object();
        const int64_t id = (int64_t)now_boottime_usec();
        uint64_t deadline = now_boottime_usec() + ANSWER_WAIT;
        int r, status;

        if (!path || !answer || !object)
                return -ENOMEM;
        r = json_set_integer(object, "id", id);
        if (r >= 0)
                r = json_set_integer(object, "operation", request->operation);
        if (r >= 0)
                r = json_set_integer(object, "usec", (int64_t)request->usec);
        if (r >= 0)
                r = json_set_integer(object, "force", request->force);
        if (r >= 0)
                r = save(path, object);
        if (r < 0)
                return r;
        for (;;) {
                r = read_answer(answer, id, &status, ret_text);
                if (r != -EAGAIN)
                        return r < 0 ? r : status;
                if (now_boottime_usec() >= deadline)
                        return -ETIMEDOUT;
                (void)nanosleep(&(struct timespec){ .tv_nsec = ANSWER_LOOK_MS * 1000 * 1000 }, NULL);
        }
}
