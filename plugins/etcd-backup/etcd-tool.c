/* SPDX-License-Identifier: Apache-2.0 */

#include "etcd-tool.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "containers.h"
#include "copies.h"
#include "files.h"

#define TOOLS         "tools"
#define OUTPUT_MAX    (64 * 1024)
#define ARGUMENTS_MAX 16
#define COPY_SIZE     (256 * 1024)

static const char *const program_names[] = {
        [ETCD_SERVER] = "etcd",
        [ETCD_UTL] = "etcdutl",
        [ETCD_CTL] = "etcdctl",
};

void etcd_tool_clear(struct etcd_tool *tool)
{
        free(tool->path);
        tool->path = NULL;
}

/* ---- versions ---- */

static int parse_version(const char *text, unsigned *ret_major, unsigned *ret_minor)
{
        unsigned long major, minor;
        char *end;

        if (!text)
                return -EINVAL;
        text += *text == 'v';
        major = strtoul(text, &end, 10);
        if (end == text || *end != '.' || major > INT_MAX)
                return -EINVAL;
        text = end + 1;
        minor = strtoul(text, &end, 10);
        if (end == text || minor > INT_MAX)
                return -EINVAL;
        *ret_major = (unsigned)major;
        *ret_minor = (unsigned)minor;
        return 0;
}

int etcd_version_ahead(const char *from, const char *to)
{
        unsigned from_major, from_minor, to_major, to_minor;

        if (parse_version(from, &from_major, &from_minor) < 0 ||
            parse_version(to, &to_major, &to_minor) < 0 || from_major != to_major)
                return INT_MAX;
        return (int)to_minor - (int)from_minor;
}

bool etcd_version_same(const char *one, const char *other)
{
        return etcd_version_ahead(one, other) == 0;
}

/* ---- running ---- */

static int spawn_collecting(const char *path, char *const *arguments, int output, pid_t *ret_pid)
{
        static const char *const environment[] = { "ETCDCTL_API=3", "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
                                                   NULL };
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attributes;
        sigset_t none;
        int r;

        sigemptyset(&none);
        posix_spawnattr_init(&attributes);
        posix_spawnattr_setsigmask(&attributes, &none);
        posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
        posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
        r = posix_spawn(ret_pid, path, &actions, &attributes, arguments, (char *const *)environment);
        posix_spawn_file_actions_destroy(&actions);
        posix_spawnattr_destroy(&attributes);
        return -r;
}

/* All of it, so that the program never blocks; the end of what is more than fits is dropped. */
static char *collect(int fd)
{
        _cleanup_free_ char *text = calloc(1, OUTPUT_MAX + 1);
        char rest[4096];
        size_t size = 0;
        ssize_t n;

        if (!text)
                return NULL;
        for (;;) {
                bool full = size == OUTPUT_MAX;

                n = full ? read(fd, rest, sizeof(rest)) : read(fd, text + size, OUTPUT_MAX - size);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        break;
                if (!full)
                        size += (size_t)n;
        }
        return TAKE_PTR(text);
}

static int run_path(const char *path, const char *const *arguments, int *ret_status, char **ret_output)
{
        const char *argv[ARGUMENTS_MAX + 2] = { path };
        _cleanup_close_ int reader = -EBADF, writer = -EBADF;
        int pipes[2], status, r;
        char *output;
        pid_t pid;

        for (size_t i = 0; arguments[i]; i++) {
                if (i == ARGUMENTS_MAX)
                        return -E2BIG;
                argv[i + 1] = arguments[i];
        }
        if (pipe2(pipes, O_CLOEXEC) < 0)
                return -errno;
        reader = pipes[0];
        writer = pipes[1];
        r = spawn_collecting(path, (char *const *)argv, writer, &pid);
        if (r < 0)
                return r;
        closep(&writer);
        writer = -EBADF;
        output = collect(reader);
        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR) {
                        r = -errno;
                        free(output);
                        return r;
                }
        if (!output)
                return -ENOMEM;
        *ret_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        *ret_output = output;
        return 0;
}

int etcd_tool_run(const struct etcd_tool *tool, const char *const *arguments, int *ret_status,
                  char **ret_output)
{
        return run_path(tool->path, arguments, ret_status, ret_output);
}

/* ---- keeping ---- */

static char *tools_path(const char *state_dir, const char *tag, const char *name)
{
        char *path;

        if (asprintf(&path, "%s/" TOOLS "%s%s%s%s", state_dir, tag ? "/" : "", tag ?: "", name ? "/" : "",
                     name ?: "") < 0)
                return NULL;
        return path;
}

static int copy_bytes(int from, int to)
{
        _cleanup_free_ char *buffer = malloc(COPY_SIZE);
        ssize_t n;
        int r;

        if (!buffer)
                return -ENOMEM;
        while ((n = read(from, buffer, COPY_SIZE)) != 0) {
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                r = write_all(to, buffer, (size_t)n);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int keep_one(const char *source, const char *target)
{
        _cleanup_(new_file_discard) struct new_file file = NEW_FILE_NONE;
        _cleanup_close_ int from = open(source, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        int r;

        if (from < 0)
                return -errno;
        r = new_file_open(target, 0700, &file);
        if (r < 0)
                return r;
        r = copy_bytes(from, file.fd);
        return r < 0 ? r : new_file_publish(&file);
}

static const char *const image_directories[] = { "usr/local/bin", "usr/bin", "bin" };

/* Returns 1 when it is kept, 0 when the image does not have it. */
static int keep_program(const char *rootfs, const char *directory, const char *name)
{
        _cleanup_free_ char *target = copy_path(directory, name, "");

        if (!target)
                return -ENOMEM;
        if (access(target, X_OK) == 0)
                return 1;
        for (size_t i = 0; i < ELEMENTS(image_directories); i++) {
                _cleanup_free_ char *source = NULL;
                int r;

                if (asprintf(&source, "%s/%s/%s", rootfs, image_directories[i], name) < 0) {
                        source = NULL;
                        return -ENOMEM;
                }
                r = keep_one(source, target);
                if (r >= 0)
                        return 1;
                if (r != -ENOENT && r != -ENOTDIR)
                        return r;
        }
        return 0;
}

static int forget_tag(const char *state_dir, const char *tag)
{
        _cleanup_free_ char *directory = tools_path(state_dir, tag, NULL);

        if (!directory)
                return -ENOMEM;
        for (size_t i = 0; i < ELEMENTS(program_names); i++) {
                _cleanup_free_ char *path = copy_path(directory, program_names[i], "");

                if (!path)
                        return -ENOMEM;
                if (unlink(path) < 0 && errno != ENOENT)
                        return -errno;
        }
        (void)new_file_sweep(directory);
        return rmdir(directory) < 0 ? -errno : 0;
}

/* Of images that this node has left behind: 60 MB each. */
static int forget_other_tags(const char *state_dir, const char *tag)
{
        _cleanup_free_ char *directory = tools_path(state_dir, NULL, NULL);
        _cleanup_(closedirp) DIR *dir = directory ? opendir(directory) : NULL;
        struct dirent *entry;

        while (dir && (entry = readdir(dir)))
                if (entry->d_name[0] != '.' && strcmp(entry->d_name, tag) != 0)
                        (void)forget_tag(state_dir, entry->d_name);
        return 0;
}

int etcd_tools_keep(const char *root, const char *state_dir, const char *tag)
{
        _cleanup_free_ char *directory = tools_path(state_dir, tag, NULL), *rootfs = NULL;
        int r, kept = 0;

        if (!directory)
                return -ENOMEM;
        r = container_rootfs(root, "etcd", &rootfs);
        if (r >= 0)
                r = directory_make(directory, 0700);
        if (r < 0)
                return r;
        for (size_t i = 0; i < ELEMENTS(program_names); i++) {
                r = keep_program(rootfs, directory, program_names[i]);
                if (r < 0)
                        return r;
                kept += r;
        }
        r = forget_other_tags(state_dir, tag);
        return r < 0 ? r : kept;
}

/* ---- finding ---- */

/* "etcdutl version: 3.5.16", "etcdctl version: 3.4.23", "etcd Version: 3.4.23" */
static int ask_version(struct etcd_tool *tool)
{
        const char *const arguments[] = { tool->program == ETCD_SERVER ? "--version" : "version", NULL };
        _cleanup_free_ char *output = NULL;
        const char *at;
        int status, r;

        r = etcd_tool_run(tool, arguments, &status, &output);
        if (r < 0)
                return r;
        at = strstr(output, "ersion: ");
        if (status != 0 || !at || sscanf(at + strlen("ersion: "), "%31[0-9A-Za-z.+-]", tool->version) != 1)
                return -ENOEXEC;
        return 0;
}

static int ask_abilities(struct etcd_tool *tool)
{
        const char *const arguments[] = { "snapshot", "restore", "--help", NULL };
        _cleanup_free_ char *output = NULL;
        int status, r;

        r = etcd_tool_run(tool, arguments, &status, &output);
        if (r < 0)
                return r;
        tool->bumps = strstr(output, "--bump-revision") && strstr(output, "--mark-compacted");
        return 0;
}

/* Takes the path over. 0 when it is a program of the wanted version, -ENOENT when not. */
static int try_path(char *path, enum etcd_program program, const char *tag, struct etcd_tool *ret, char *seen,
                    size_t seen_size)
{
        _cleanup_etcd_tool_ tool = { .program = program, .path = path };
        size_t n = strlen(seen);

        if (!path)
                return -ENOMEM;
        if (access(path, X_OK) < 0 || ask_version(&tool) < 0)
                return -ENOENT;
        if (!etcd_version_same(tag, tool.version)) {
                (void)snprintf(seen + n, seen_size - n, "%s%s is %s", n ? ", " : "", tool.path, tool.version);
                return -ENOENT;
        }
        if (program != ETCD_SERVER && ask_abilities(&tool) < 0)
                return -ENOENT;
        *ret = tool;
        tool.path = NULL;
        return 0;
}

static char *in_path(const char *name)
{
        const char *path = getenv("PATH") ?: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

        for (const char *at = path; *at; at += strcspn(at, ":"), at += *at == ':') {
                int size = (int)strcspn(at, ":");
                char *candidate;

                /* An empty or relative entry would be the current directory's: not for root. */
                if (*at != '/')
                        continue;
                if (asprintf(&candidate, "%.*s/%s", size, at, name) < 0)
                        return NULL;
                if (access(candidate, X_OK) == 0)
                        return candidate;
                free(candidate);
        }
        return strdup("");
}

static int find(const char *state_dir, const char *tag, const enum etcd_program *programs, size_t count,
                struct etcd_tool *ret, char *seen, size_t seen_size)
{
        int r;

        for (size_t i = 0; i < count; i++) {
                r = try_path(tools_path(state_dir, tag, program_names[programs[i]]), programs[i], tag, ret,
                             seen, seen_size);
                if (r != -ENOENT)
                        return r;
                r = try_path(in_path(program_names[programs[i]]), programs[i], tag, ret, seen, seen_size);
                if (r != -ENOENT)
                        return r;
        }
        return -ENOENT;
}

int etcd_tool_find_restorer(const char *state_dir, const char *tag, struct etcd_tool *ret,
                            struct failure *failure)
{
        static const enum etcd_program programs[] = { ETCD_UTL, ETCD_CTL };
        char seen[512] = "";
        int r;

        r = find(state_dir, tag, programs, ELEMENTS(programs), ret, seen, sizeof(seen));
        if (r != -ENOENT)
                return r;
        return failure_set(
                failure, r, "RestoreToolMissing",
                "there is no etcdutl (nor etcdctl) for etcd %s: none was kept in %s/" TOOLS
                "/%s while etcd ran, and none is in PATH%s%s; copy them out of etcd's image to there",
                tag, state_dir, tag, *seen ? "; " : "", seen);
}

int etcd_tool_find_server(const char *state_dir, const char *tag, struct etcd_tool *ret,
                          struct failure *failure)
{
        static const enum etcd_program programs[] = { ETCD_SERVER };
        char seen[512] = "";
        int r;

        r = find(state_dir, tag, programs, ELEMENTS(programs), ret, seen, sizeof(seen));
        if (r != -ENOENT)
                return r;
        return failure_set(failure, r, "EtcdProgramMissing",
                           "there is no etcd %s to start beside the node's own: none is kept in %s/" TOOLS
                           "/%s, and none is in PATH%s%s",
                           tag, state_dir, tag, *seen ? "; " : "", seen);
}
