/* SPDX-License-Identifier: Apache-2.0 */

#include "containerd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "files.h"
#include "grpc.h"
#include "program.h"
#include "protobuf.h"
#include "quantity.h"

#define PULL_SECONDS 120 /* above the 30 s that a connection to a dead mirror takes */

static void run(const char *format, ...) _printf_(1, 2);
static void run(const char *format, ...)
{
        _cleanup_free_ char *command = NULL;
        va_list arguments;
        int status;

        va_start(arguments, format);
        assert_true(vasprintf(&command, format, arguments) > 0);
        va_end(arguments);
        status = system(command);
        if (status != 0)
                fail_msg("exit status %d: %s", status, command);
}

static void fetch(const char *suite, const char *package)
{
        free(root_of_suite(suite, package));
}

void containerd_enter(void)
{
        fetch("bookworm", "containerd");
        fetch("trixie", "containerd");
        fetch("sid", "containerd");
        fetch("bookworm", "docker-registry");
        assert_int_equal(unshare(CLONE_NEWNET | CLONE_NEWNS), 0);
        assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
        /* What goes to the neighbour that is not at the other end is lost there. */
        run("ip link set lo up && ip link add hole type veth peer name end && ip addr add 192.0.2.1/24 dev "
            "hole && "
            "ip link set hole up && ip link set end up && "
            "ip neigh add " CONTAINERD_HOLE " lladdr 02:00:00:00:00:09 dev hole");
}

static unsigned version_of(const char *root)
{
        _cleanup_free_ char *command = NULL;
        unsigned long major, minor;
        char line[64] = "", *at;
        FILE *pipe;

        /* "containerd github.com/containerd/containerd/v2 2.1.9+unknown" */
        assert_true(asprintf(&command, "chroot %s /usr/bin/containerd --version | cut -d ' ' -f 3", root) >
                    0);
        pipe = popen(command, "re");
        assert_non_null(pipe);
        assert_non_null(fgets(line, sizeof(line), pipe));
        assert_int_equal(pclose(pipe), 0);
        major = strtoul(line, &at, 10);
        assert_int_equal(*at, '.');
        minor = strtoul(at + 1, &at, 10);
        assert_int_equal(*at, '.');
        return (unsigned)(major * 100 + minor);
}

void containerd_make_node(const char *suite, struct containerd *ret)
{
        _cleanup_free_ char *system = root_of_suite(suite, "containerd"), *base = root_make();
        char *root, *socket;

        assert_true(asprintf(&root, "%s/node", base) > 0);
        assert_true(asprintf(&socket, "%s/run/containerd/containerd.sock", root) > 0);
        run("mount -t tmpfs none %s && cd %s && mkdir images upper work node && mount -t overlay none -o "
            "lowerdir=%s,upperdir=upper,workdir=work node",
            base, base, system);
        /* An overlay is no place for those of containerd's snapshots. */
        run("cd %s && mkdir -p dev proc tmp run var/lib/containerd etc/ssl/certs etc/containerd "
            "etc/capi-node-agent "
            "run/capi-node-agent/reports var/lib/capi-node-agent && touch dev/null && "
            "mount --bind /dev/null dev/null && mount --bind ../images var/lib/containerd",
            root);
        *ret = (struct containerd){
                .suite = suite, .root = root, .directory = TAKE_PTR(base), .socket = socket
        };
        ret->version = version_of(root);
}

static bool serves(void *userdata)
{
        const struct containerd *containerd = userdata;
        _cleanup_failure_ failure = {};

        /* Any answer about an image that cannot be there will do. */
        if (access(containerd->socket, F_OK) < 0)
                return false;
        return containerd_pull(containerd, "NoSuchImage", &failure) == -EREMOTEIO &&
               !strstr(failure.reason, "Unimplemented") && !strstr(failure.reason, "Unavailable");
}

void containerd_start(struct containerd *containerd, const char *configuration)
{
        static const char *const defaults[] = {
                "version = 2\n"
                "[plugins.\"io.containerd.grpc.v1.cri\".registry]\n"
                "  config_path = \"/" CONTAINERD_CERTS "\"\n",
                "version = 3\n"
                "[plugins.\"io.containerd.cri.v1.images\".registry]\n"
                "  config_path = \"/" CONTAINERD_CERTS "\"\n",
        };
        _cleanup_free_ char *log = path_under(containerd->directory, "/containerd.log"), *proc = NULL;
        posix_spawn_file_actions_t actions;

        assert_true(asprintf(&proc, "--mount-proc=%s/proc", containerd->root) > 0);
        root_write(containerd->root, "etc/containerd/config.toml",
                   configuration ?: defaults[containerd->version >= 200], 0644);
        assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
        assert_int_equal(posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log,
                                                          O_WRONLY | O_CREAT | O_APPEND, 0600),
                         0);
        assert_int_equal(posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO), 0);
        assert_int_equal(posix_spawnp(&containerd->pid, "setpriv", &actions, NULL,
                                      (char *const[]){ (char *)"setpriv", (char *)"--pdeathsig",
                                                       (char *)"KILL", (char *)"unshare", (char *)"--mount",
                                                       (char *)"--pid", (char *)"--fork",
                                                       (char *)"--kill-child", proc, (char *)"chroot",
                                                       containerd->root, (char *)"/usr/bin/containerd",
                                                       NULL },
                                      environ),
                         0);
        posix_spawn_file_actions_destroy(&actions);
        wait_until(serves, containerd, "containerd");
}

void containerd_stop(struct containerd *containerd)
{
        if (containerd->pid <= 0)
                return;
        /* unshare(1) takes containerd, the first process of its namespace, along. */
        (void)program_stop(containerd->pid, SIGKILL);
        containerd->pid = 0;
        (void)unlink(containerd->socket);
}

void containerd_remove_node(struct containerd *containerd)
{
        containerd_stop(containerd);
        assert_int_equal(umount2(containerd->root, MNT_DETACH), 0);
        assert_int_equal(umount2(containerd->directory, MNT_DETACH), 0);
        root_remove(containerd->directory);
        free(containerd->root);
        free(containerd->socket);
        *containerd = (struct containerd){};
}

struct answer {
        bool done;
        int error;
        struct failure *failure;
};

static void on_done(struct grpc_call *call, int error, const struct failure *failure, void *userdata)
{
        struct answer *answer = userdata;

        answer->done = true;
        answer->error = error;
        if (error < 0)
                failure_set(answer->failure, error, failure->reason, "%s", failure->message);
}

static int call(const struct containerd *containerd, const char *method, const uint8_t *message, size_t size,
                struct failure *failure)
{
        struct answer answer = { .failure = failure };
        struct grpc_request request = { .base_url = "http://localhost",
                                        .method = method,
                                        .message = message,
                                        .message_size = size,
                                        .unix_socket = containerd->socket,
                                        .timeout_usec = PULL_SECONDS * USEC_PER_SEC,
                                        .userdata = &answer };
        struct http_client *http;
        sd_event *event;

        assert_int_equal(sd_event_new(&event), 0);
        assert_int_equal(http_client_new(event, &http), 0);
        assert_int_equal(grpc_start(http, &request, on_done, NULL), 0);
        while (!answer.done)
                assert_true(sd_event_run(event, UINT64_MAX) >= 0);
        http_client_free(http);
        sd_event_unref(event);
        return answer.error;
}

int containerd_pull(const struct containerd *containerd, const char *image, struct failure *failure)
{
        uint8_t specification[512], message[600];
        int specification_size, size, r;

        /* PullImageRequest and RemoveImageRequest have ImageSpec{image 1} as field 1 (kubernetes/cri-api:
         * runtime/v1/api.proto). */
        specification_size =
                protobuf_put_bytes(specification, sizeof(specification), 0, 1, image, strlen(image));
        assert_true(specification_size > 0);
        size = protobuf_put_bytes(message, sizeof(message), 0, 1, specification, (size_t)specification_size);
        assert_true(size > 0);
        r = call(containerd, "/runtime.v1.ImageService/PullImage", message, (size_t)size, failure);
        if (r < 0)
                return r;
        return call(containerd, "/runtime.v1.ImageService/RemoveImage", message, (size_t)size, failure);
}
