/* SPDX-License-Identifier: Apache-2.0 */

#include "runtime.h"

#include <ctype.h>
#include <string.h>

#include "files.h"
#include "http-probe.h"
#include "node.h"
#include "protobuf.h"
#include "quantity.h"
#include "timestamp.h"

#define VERSION_KEPT_USEC (10 * USEC_PER_MIN)

static const char *const pod_prefixes[] = {
        "etcd-", "kube-apiserver-", "kube-controller-manager-", "kube-proxy-", "kube-scheduler-",
};

static const struct http_service service = {
        .name = "the container runtime",
        .prefix = "ContainerRuntime",
        .remedy = "look at: journalctl -u containerd",
};

/* ListPodSandboxRequest{filter{state{state: SANDBOX_READY}}}: the value of the enum is 0 and left out. */
static const uint8_t ready_sandboxes[] = { 0x0a, 0x02, 0x12, 0x00 };

bool runtime_has_pod(const struct runtime *runtime, const char *prefix)
{
        for (size_t i = 0; i < ELEMENTS(pod_prefixes); i++)
                if (strcmp(pod_prefixes[i], prefix) == 0)
                        return runtime->pods & 1U << i;
        return false;
}

/* ---- what the messages say ---- */

/* A text field, in ASCII: it goes into JSON. */
static void copy_text(const struct protobuf_field *field, char *buffer, size_t size)
{
        size_t n = 0;

        for (; n < field->size && n < size - 1; n++)
                buffer[n] = isprint(field->bytes[n]) ? (char)field->bytes[n] : '?';
        buffer[n] = '\0';
}

static struct protobuf_reader inside(const struct protobuf_field *field)
{
        return (struct protobuf_reader){ field->bytes, field->bytes + field->size };
}

/* HealthCheckResponse (grpc/grpc: src/proto/grpc/health/v1/health.proto): status is 1, SERVING is 1. */
static int read_serving(const uint8_t *message, size_t size, bool *ret)
{
        struct protobuf_reader reader = { message, message + size };
        struct protobuf_field field;
        bool serving = false;
        int r;

        while ((r = protobuf_next(&reader, &field)) > 0)
                if (field.number == 1 && field.wire == PROTOBUF_VARINT)
                        serving = field.value == 1;
        if (r >= 0)
                *ret = serving;
        return r;
}

/* VersionResponse: runtime_version is 3. */
static int read_version(const uint8_t *message, size_t size, struct runtime *runtime)
{
        struct protobuf_reader reader = { message, message + size };
        struct protobuf_field field;
        int r;

        while ((r = protobuf_next(&reader, &field)) > 0)
                if (field.number == 3 && field.wire == PROTOBUF_BYTES)
                        copy_text(&field, runtime->version, sizeof(runtime->version));
        return r;
}

struct runtime_condition {
        char type[32], reason[64], message[200];
        bool status;
};

/* RuntimeCondition: type 1, status 2, reason 3, message 4. */
static int read_condition(struct protobuf_reader reader, struct runtime_condition *ret)
{
        struct protobuf_field field;
        int r;

        *ret = (struct runtime_condition){};
        while ((r = protobuf_next(&reader, &field)) > 0) {
                if (field.number == 2 && field.wire == PROTOBUF_VARINT)
                        ret->status = field.value != 0;
                else if (field.wire != PROTOBUF_BYTES)
                        continue;
                else if (field.number == 1)
                        copy_text(&field, ret->type, sizeof(ret->type));
                else if (field.number == 3)
                        copy_text(&field, ret->reason, sizeof(ret->reason));
                else if (field.number == 4)
                        copy_text(&field, ret->message, sizeof(ret->message));
        }
        return r;
}

static void judge_conditions(const struct runtime_condition *runtime, const struct runtime_condition *network,
                             struct check_result *result)
{
        if (!runtime->status)
                check_result_set(result, CHECK_FAIL, "ContainerRuntimeNotReady",
                                 "the container runtime says that it is not ready (%s: %s); %s",
                                 runtime->reason, runtime->message, service.remedy);
        else if (!network->status)
                check_result_set(result, CHECK_WARN, "ContainerNetworkNotReady",
                                 "the container runtime has no network for pods (%s: %s); look at "
                                 "/etc/cni/net.d and at the pods of the network plugin",
                                 network->reason, network->message);
        else
                check_result_set(result, CHECK_OK, "ContainerRuntimeAnswers",
                                 "the container runtime is ready");
}

/* StatusResponse{status 1: RuntimeStatus{conditions 1}}. */
static int judge_status(const uint8_t *message, size_t size, struct check_result *result)
{
        struct runtime_condition runtime = {}, network = {};
        struct protobuf_reader reader = { message, message + size };
        struct protobuf_field status, field;
        int r;

        while ((r = protobuf_next(&reader, &status)) > 0) {
                struct protobuf_reader conditions;

                if (status.number != 1 || status.wire != PROTOBUF_BYTES)
                        continue;
                conditions = inside(&status);
                while ((r = protobuf_next(&conditions, &field)) > 0) {
                        struct runtime_condition condition;

                        if (field.number != 1 || field.wire != PROTOBUF_BYTES)
                                continue;
                        r = read_condition(inside(&field), &condition);
                        if (r < 0)
                                return r;
                        if (strcmp(condition.type, "RuntimeReady") == 0)
                                runtime = condition;
                        else if (strcmp(condition.type, "NetworkReady") == 0)
                                network = condition;
                }
                if (r < 0)
                        return r;
        }
        if (r >= 0)
                judge_conditions(&runtime, &network, result);
        return r;
}

/* PodSandboxMetadata: name 1, namespace 3. */
static int note_pod(struct protobuf_reader reader, struct runtime *runtime)
{
        char name[256] = "", namespace[64] = "";
        struct protobuf_field field;
        int r;

        while ((r = protobuf_next(&reader, &field)) > 0) {
                if (field.wire == PROTOBUF_BYTES && field.number == 1)
                        copy_text(&field, name, sizeof(name));
                else if (field.wire == PROTOBUF_BYTES && field.number == 3)
                        copy_text(&field, namespace, sizeof(namespace));
        }
        for (size_t i = 0; strcmp(namespace, "kube-system") == 0 && i < ELEMENTS(pod_prefixes); i++)
                if (strncmp(name, pod_prefixes[i], strlen(pod_prefixes[i])) == 0)
                        runtime->pods |= 1U << i;
        return r;
}

/* ListPodSandboxResponse{items 1: PodSandbox{metadata 2}}. */
static int read_pods(const uint8_t *message, size_t size, struct runtime *runtime)
{
        struct protobuf_reader reader = { message, message + size };
        struct protobuf_field item, field;
        int r;

        runtime->pods = 0;
        while ((r = protobuf_next(&reader, &item)) > 0) {
                struct protobuf_reader sandbox;

                if (item.number != 1 || item.wire != PROTOBUF_BYTES)
                        continue;
                sandbox = inside(&item);
                while ((r = protobuf_next(&sandbox, &field)) > 0)
                        if (field.number == 2 && field.wire == PROTOBUF_BYTES &&
                            note_pod(inside(&field), runtime) < 0)
                                return -EBADMSG;
                if (r < 0)
                        return r;
        }
        return r;
}

/* ---- the calls: Health/Check, Version, Status, ListPodSandbox ---- */

static int call(struct check_run *run, const char *method, const void *message, size_t size,
                int (*on_message)(struct grpc_call *, const uint8_t *, size_t, void *), grpc_done_fn done)
{
        _cleanup_free_ char *path =
                path_under(run->node->root, run->node->config->checks.container_runtime.socket);
        struct grpc_request request = {
                .base_url = "http://localhost",
                .unix_socket = path,
                .method = method,
                .message = message,
                .message_size = size,
                .on_message = on_message,
        };

        return path ? http_probe_call(run, &request, done) : -ENOMEM;
}

static void finish_error(struct check_run *run, int error, const struct failure *failure)
{
        struct check_result result;

        run->node->runtime.version[0] = '\0';
        run->node->runtime.pods_known = false;
        run->node->runtime.pods = 0;
        if (error == -EREMOTEIO)
                check_result_set(&result, CHECK_FAIL, "ContainerRuntimeUnhealthy",
                                 "the container runtime refuses the kubelet's interface (%s); %s",
                                 failure->message, service.remedy);
        else
                http_probe_judge_error(&service, error, failure->message ?: strerror(-error), &result);
        check_finish(run, &result);
}

static int on_pods_message(struct grpc_call *grpc, const uint8_t *message, size_t size, void *userdata)
{
        struct check_run *run = userdata;
        int r;

        (void)grpc;
        r = read_pods(message, size, &run->node->runtime);
        run->node->runtime.pods_known = r >= 0;
        return r;
}

static void on_pods(struct grpc_call *grpc, int error, const struct failure *failure, void *userdata)
{
        struct check_run *run = userdata;

        (void)grpc;
        if (error < 0)
                finish_error(run, error, failure);
        else
                check_finish(run, &run->node->runtime.verdict);
}

static int on_status_message(struct grpc_call *grpc, const uint8_t *message, size_t size, void *userdata)
{
        struct check_run *run = userdata;

        (void)grpc;
        return judge_status(message, size, &run->node->runtime.verdict);
}

static void on_status(struct grpc_call *grpc, int error, const struct failure *failure, void *userdata)
{
        struct check_run *run = userdata;

        (void)grpc;
        if (error >= 0)
                error = call(run, "/runtime.v1.RuntimeService/ListPodSandbox", ready_sandboxes,
                             sizeof(ready_sandboxes), on_pods_message, on_pods);
        if (error < 0)
                finish_error(run, error, failure);
}

static int on_version_message(struct grpc_call *grpc, const uint8_t *message, size_t size, void *userdata)
{
        struct check_run *run = userdata;

        (void)grpc;
        return read_version(message, size, &run->node->runtime);
}

static int ask_status(struct check_run *run)
{
        return call(run, "/runtime.v1.RuntimeService/Status", NULL, 0, on_status_message, on_status);
}

static void on_version(struct grpc_call *grpc, int error, const struct failure *failure, void *userdata)
{
        struct check_run *run = userdata;

        (void)grpc;
        if (error >= 0) {
                run->node->runtime.version_until_usec = now_boottime_usec() + VERSION_KEPT_USEC;
                error = ask_status(run);
        }
        if (error < 0)
                finish_error(run, error, failure);
}

/* A program's version seldom changes while it runs. */
static int ask_version(struct check_run *run)
{
        const struct runtime *runtime = &run->node->runtime;

        if (runtime->version[0] && now_boottime_usec() < runtime->version_until_usec)
                return ask_status(run);
        return call(run, "/runtime.v1.RuntimeService/Version", NULL, 0, on_version_message, on_version);
}

static int on_health_message(struct grpc_call *grpc, const uint8_t *message, size_t size, void *userdata)
{
        struct check_run *run = userdata;

        (void)grpc;
        return read_serving(message, size, &run->node->runtime.serving);
}

static void on_health(struct grpc_call *grpc, int error, const struct failure *failure, void *userdata)
{
        struct check_run *run = userdata;
        struct check_result result;

        if (error >= 0 && !run->node->runtime.serving) {
                check_result_set(&result, CHECK_FAIL, "ContainerRuntimeNotServing",
                                 "containerd says of itself that it does not serve (gRPC health); %s",
                                 service.remedy);
                check_finish(run, &result);
                return;
        }
        /* Only containerd has this service. */
        if (error == -EREMOTEIO && grpc_status(grpc) == GRPC_UNIMPLEMENTED)
                error = 0;
        if (error >= 0)
                error = ask_version(run);
        if (error < 0)
                finish_error(run, error, failure);
}

int container_runtime_start(struct check_run *run)
{
        run->node->runtime.serving = false;
        check_result_set(&run->node->runtime.verdict, CHECK_UNKNOWN, "StatusMissing",
                         "the container runtime gave no status; %s", service.remedy);
        return call(run, "/grpc.health.v1.Health/Check", NULL, 0, on_health_message, on_health);
}
