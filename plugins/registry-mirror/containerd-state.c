/* SPDX-License-Identifier: Apache-2.0 */

#include "containerd-state.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>

#include "files.h"
#include "json-file.h"
#include "timestamp.h"

#define RECORD_SIZE_MAX 4096
#define ANSWER_MAX      512
#define ASK_TIMEOUT_MS  (10 * 1000)
#define CHROOT          "/usr/sbin/chroot"

static char *record_path(const char *state_dir)
{
        char *path;

        return asprintf(&path, "%s/containerd.json", state_dir) < 0 ? NULL : path;
}

static void read_record(json_object *object, struct containerd_state *state)
{
        const char *boot = json_string(object, "bootId"), *version = json_string(object, "version"),
                   *drop_in = json_string(object, "dropIn"), *at = json_string(object, "changedAt");
        bool this_boot = boot && strcmp(boot, boot_id()) == 0;

        if (this_boot && version && containerd_version_parse(version, &state->version) < 0)
                state->version = (struct containerd_version){};
        if (drop_in && strlen(drop_in) < sizeof(state->drop_in))
                strcpy(state->drop_in, drop_in);
        if (!at || timestamp_parse(at, &state->changed_usec) < 0)
                state->changed_usec = 0;
        if (this_boot)
                state->changed_boottime_usec = (uint64_t)json_integer(object, "changedBoottimeUsec", 0);
}

void containerd_state_load(const char *state_dir, struct containerd_state *ret)
{
        _cleanup_free_ char *path = record_path(state_dir);
        _cleanup_json_ json_object *object = NULL;

        *ret = (struct containerd_state){};
        if (path && json_load(path, RECORD_SIZE_MAX, &object) >= 0)
                read_record(object, ret);
}

int containerd_state_save(const char *state_dir, const struct containerd_state *state)
{
        _cleanup_free_ char *path = record_path(state_dir);
        _cleanup_json_ json_object *object = json_object_new_object();
        char version[CONTAINERD_VERSION_SIZE], at[TIMESTAMP_SIZE];
        int r = 0;

        if (!path || !object)
                return -ENOMEM;
        r |= json_set_string(object, "bootId", boot_id());
        r |= json_set_string(object, "version", containerd_version_format(&state->version, version));
        r |= json_set_string(object, "dropIn", state->drop_in);
        if (state->changed_usec)
                r |= json_set_string(object, "changedAt", timestamp_format(state->changed_usec, at));
        r |= json_set_integer(object, "changedBoottimeUsec", (int64_t)state->changed_boottime_usec);
        return r != 0 ? -ENOMEM : json_save(path, object);
}

/* ---- asking the program ---- */

static int start(char *const argv[], int out, pid_t *ret)
{
        static char *const environment[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", NULL };
        posix_spawn_file_actions_t actions;
        int r;

        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
        r = posix_spawn(ret, argv[0], &actions, NULL, argv, environment);
        posix_spawn_file_actions_destroy(&actions);
        return -r;
}

static int read_answer(int fd, char buffer[static ANSWER_MAX])
{
        uint64_t end = now_boottime_usec() + ASK_TIMEOUT_MS * 1000;
        size_t size = 0;

        for (;;) {
                uint64_t now = now_boottime_usec();
                struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
                ssize_t n;

                if (now >= end || poll(&poll_fd, 1, (int)((end - now) / 1000) + 1) == 0)
                        return -ETIMEDOUT;
                n = read(fd, buffer + size, ANSWER_MAX - 1 - size);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                size += (size_t)n;
                if (n == 0 || size == ANSWER_MAX - 1)
                        break;
        }
        buffer[size] = '\0';
        return 0;
}

static int run(char *const argv[], char answer[static ANSWER_MAX])
{
        _cleanup_close_ int in = -EBADF, out = -EBADF;
        int ends[2], r;
        pid_t pid;

        if (pipe2(ends, O_CLOEXEC) < 0)
                return -errno;
        in = ends[0];
        out = ends[1];
        r = start(argv, out, &pid);
        if (r < 0)
                return r;
        close(TAKE_FD(out));
        r = read_answer(in, answer);
        kill(pid, SIGKILL); /* it has said what was asked, or never will */
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                ;
        return r;
}

/* "containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20~ds1-1+b1" */
static int read_words(char *answer, struct containerd_version *ret)
{
        char *next = answer, *word;

        for (int i = 0; (word = strsep(&next, " \n")); i++)
                if (i == 2)
                        return containerd_version_parse(word, ret);
        return -EINVAL;
}

int containerd_version_ask(const char *root, struct containerd_version *ret)
{
        static const char *const programs[] = { "/usr/local/bin/containerd", "/usr/bin/containerd" };

        for (size_t i = 0; i < ELEMENTS(programs); i++) {
                _cleanup_free_ char *path = path_under(root, programs[i]);
                char *argv[] = { CHROOT, (char *)root, (char *)programs[i], "--version", NULL };
                char answer[ANSWER_MAX];
                int r;

                if (!path)
                        return -ENOMEM;
                if (access(path, X_OK) < 0)
                        continue;
                r = run(strcmp(root, "/") == 0 ? argv + 2 : argv, answer);
                return r < 0 ? r : read_words(answer, ret);
        }
        return -ENOENT;
}
