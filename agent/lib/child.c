/* SPDX-License-Identifier: Apache-2.0 */

#include "child.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define CHILD_FD 3

struct child {
        pid_t pid;
        int fd;
        sd_event_source *source;
        char output[CHILD_OUTPUT_MAX];
        size_t size;
        void (*done)(const char *output, void *userdata);
        void *userdata;
};

struct child *child_free(struct child *child)
{
        if (!child)
                return NULL;
        sd_event_source_disable_unref(child->source);
        closep(&child->fd);
        if (child->pid > 0) {
                kill(child->pid, SIGKILL);
                while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR)
                        ;
        }
        free(child);
        return NULL;
}

/* At its end the child has closed the pipe; what is left of it is a corpse or about to be killed. */
static int on_output(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
        struct child *child = userdata;
        size_t room = sizeof(child->output) - 1 - child->size;
        ssize_t n = read(fd, child->output + child->size, room);

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return 0;
        if (n > 0 && (size_t)n < room) {
                child->size += (size_t)n;
                return 0;
        }
        child->output[child->size] = '\0';
        (void)sd_event_source_set_enabled(source, SD_EVENT_OFF);
        child->done(child->output, child->userdata);
        return 0;
}

static void run(unsigned seconds, void (*work)(void *userdata, int fd), void *userdata, int fd)
{
        sigset_t none;

        /* The lock and the sockets are the parent's alone; so is what becomes of them when it dies. */
        if (dup2(fd, CHILD_FD) < 0 || close_range(CHILD_FD + 1, ~0U, 0) < 0)
                _exit(1);
        /* What the event loop blocked for itself would also hold the alarm back. */
        sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        signal(SIGTERM, SIG_DFL);
        signal(SIGALRM, SIG_DFL);
        signal(SIGPIPE, SIG_IGN);
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        alarm(seconds);
        work(userdata, CHILD_FD);
        _exit(0);
}

int child_start(sd_event *event, unsigned seconds, void (*work)(void *userdata, int fd),
                void (*done)(const char *output, void *userdata), void *userdata, struct child **ret)
{
        _cleanup_(child_freep) struct child *child = calloc(1, sizeof(*child));
        int fds[2], r;

        if (!child)
                return -ENOMEM;
        *child = (struct child){ .fd = -EBADF, .done = done, .userdata = userdata };
        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        child->fd = fds[0];
        (void)fcntl(child->fd, F_SETFL, O_NONBLOCK);
        child->pid = fork();
        if (child->pid == 0)
                run(seconds, work, userdata, fds[1]);
        r = child->pid < 0 ? -errno : 0;
        close(fds[1]);
        if (r < 0)
                return r;
        r = sd_event_add_io(event, &child->source, child->fd, EPOLLIN, on_output, child);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(child);
        return 0;
}
