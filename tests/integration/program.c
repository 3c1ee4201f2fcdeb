/* SPDX-License-Identifier: Apache-2.0 */

#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "files.h"
#include "quantity.h"
#include "timestamp.h"

#define READ_MAX (8 * 1024 * 1024)

char *root_make(void)
{
        char *root = strdup("/tmp/capi-node-test-XXXXXX");
        static const char *const directories[] = { "/etc/capi-node-agent", "/run/capi-node-agent/reports",
                                                   "/var/lib/capi-node-agent" };

        assert_non_null(root);
        assert_non_null(mkdtemp(root));
        for (size_t i = 0; i < ELEMENTS(directories); i++) {
                _cleanup_free_ char *path = path_under(root, directories[i]);

                assert_int_equal(directory_make(path, 0755), 0);
        }
        return root;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
        return remove(path);
}

void root_remove(char *root)
{
        (void)nftw(root, remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
        free(root);
}

static char *join(const char *root, const char *path)
{
        char *joined;

        assert_true(asprintf(&joined, "%s/%s", root, path) > 0);
        return joined;
}

void root_write(const char *root, const char *path, const char *text, mode_t mode)
{
        _cleanup_free_ char *joined = join(root, path);

        assert_int_equal(file_write(joined, text, strlen(text), mode), 0);
}

char *root_read(const char *root, const char *path)
{
        _cleanup_free_ char *joined = join(root, path);
        char *text = NULL;
        size_t size;

        return file_read(joined, READ_MAX, &text, &size) < 0 ? NULL : text;
}

bool root_has(const char *root, const char *path)
{
        _cleanup_free_ char *joined = join(root, path);

        return access(joined, F_OK) == 0;
}

char *root_of_suite(const char *suite, const char *packages)
{
        _cleanup_free_ char *command = NULL;
        char *line = NULL;
        size_t size;
        FILE *pipe;
        ssize_t n;

        assert_true(asprintf(&command, TESTS_CHROOT " %s %s", suite, packages) > 0);
        pipe = popen(command, "re");
        assert_non_null(pipe);
        n = getline(&line, &size, pipe);
        if (pclose(pipe) != 0 || n <= 0)
                fail_msg("%s", command);
        line[strcspn(line, "\n")] = '\0';
        return line;
}

/* By a name that one process has at a time, and that goes with it. */
static bool port_is_reserved(uint16_t port)
{
        struct sockaddr_un name = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        socklen_t size;

        assert_true(fd >= 0);
        size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
                           (size_t)snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1,
                                            "capi-node-agent/test/port-%u", port));
        if (bind(fd, (struct sockaddr *)&name, size) == 0)
                return true;
        close(fd);
        return false;
}

static bool port_is_free(uint16_t port)
{
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
        _cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_true(fd >= 0);
        return bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
}

/* Below the range from which the kernel takes the ports of outgoing connections, any of which could be the
 * one that was free a moment ago. */
uint16_t free_port(void)
{
        static unsigned next;

        for (;;) {
                uint16_t port = (uint16_t)(12000 + ((unsigned)getpid() * 37 + next++) % 20000);

                assert_true(next < 20000);
                if (port_is_reserved(port) && port_is_free(port))
                        return port;
        }
}

pid_t program_start(const char *program, const char *const *arguments)
{
        const char *argv[16] = { program };
        posix_spawn_file_actions_t actions;
        pid_t pid;

        for (size_t i = 0; arguments[i]; i++) {
                assert_true(i + 2 < ELEMENTS(argv));
                argv[i + 1] = arguments[i];
        }
        /* Standard output is TAP, and the test's alone. */
        assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
        assert_int_equal(posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO), 0);
        assert_int_equal(posix_spawn(&pid, program, &actions, NULL, (char *const *)argv, environ), 0);
        posix_spawn_file_actions_destroy(&actions);
        return pid;
}

unsigned test_patience(void)
{
        const char *text = getenv("TEST_PATIENCE");
        unsigned long times = text ? strtoul(text, NULL, 10) : 1;

        return times > 0 && times < 100 ? (unsigned)times : 1;
}

void program_stall_after(const char *seconds)
{
        if (seconds)
                assert_int_equal(setenv("CAPI_NODE_STALL_SECONDS", seconds, 1), 0);
        else
                unsetenv("CAPI_NODE_STALL_SECONDS");
}

int program_wait(pid_t pid)
{
        const unsigned seconds = DEADLINE_SECONDS * test_patience();
        _cleanup_close_ int fd = pidfd_open(pid, 0);
        struct pollfd ended = { .fd = fd, .events = POLLIN };
        int status;

        assert_true(fd >= 0);
        if (poll(&ended, 1, (int)seconds * 1000) != 1) {
                kill(pid, SIGKILL);
                (void)waitpid(pid, &status, 0);
                fail_msg("process %d did not end in %u s", (int)pid, seconds);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

int program_stop(pid_t pid, int signal)
{
        assert_int_equal(kill(pid, signal), 0);
        return program_wait(pid);
}

void wait_longer(unsigned seconds, bool (*done)(void *userdata), void *userdata, const char *what)
{
        uint64_t deadline;

        seconds *= test_patience();
        deadline = now_boottime_usec() + seconds * USEC_PER_SEC;
        while (!done(userdata)) {
                if (now_boottime_usec() > deadline)
                        fail_msg("%s did not come in %u s", what, seconds);
                poll(NULL, 0, 5);
        }
}

void wait_until(bool (*done)(void *userdata), void *userdata, const char *what)
{
        wait_longer(DEADLINE_SECONDS, done, userdata, what);
}
