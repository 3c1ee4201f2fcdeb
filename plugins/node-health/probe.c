/* SPDX-License-Identifier: Apache-2.0 */

#include "probe.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "cleanup.h"

static void close_answer(struct probe *probe)
{
        probe->source = sd_event_source_disable_unref(probe->source);
        closep(&probe->fd);
        probe->fd = -EBADF;
}

/* The other end was closed, which the child does in exiting. */
static int on_end(struct probe *probe)
{
        close_answer(probe);
        (void)waitpid(probe->pid, NULL, 0);
        probe->pid = 0;
        probe->done(probe->answer, probe->size, probe->userdata);
        return 0;
}

static int on_readable(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
        struct probe *probe = userdata;
        ssize_t n;

        (void)source;
        (void)events;
        n = read(fd, probe->answer + probe->size, sizeof(probe->answer) - probe->size);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
                return 0;
        if (n <= 0)
                return on_end(probe);
        probe->size += (size_t)n;
        return 0;
}

static void run_child(int fd, probe_work_fn work, void *userdata)
{
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        /* A child that hangs must not keep the bus or a lock of its parent. */
        if (fd > STDERR_FILENO + 1)
                (void)close_range(STDERR_FILENO + 1, (unsigned)fd - 1, 0);
        (void)close_range((unsigned)fd + 1, ~0U, 0);
        work(fd, userdata);
        _exit(0);
}

int probe_start(struct probe *probe, sd_event *event, probe_work_fn work, probe_done_fn done, void *userdata)
{
        _cleanup_close_ int reader = -EBADF, writer = -EBADF;
        int pipes[2], r;
        pid_t pid;

        if (probe->pid > 0 && waitpid(probe->pid, NULL, WNOHANG) == 0)
                return -EBUSY;
        probe->pid = 0;
        if (pipe2(pipes, O_CLOEXEC) < 0)
                return -errno;
        reader = pipes[0];
        writer = pipes[1];

        r = sd_event_add_io(event, &probe->source, reader, EPOLLIN, on_readable, probe);
        if (r < 0)
                return r;
        pid = fork();
        if (pid < 0) {
                r = -errno;
                probe->source = sd_event_source_disable_unref(probe->source);
                return r;
        }
        if (pid == 0)
                run_child(writer, work, userdata);

        probe->pid = pid;
        probe->fd = TAKE_FD(reader);
        probe->size = 0;
        probe->done = done;
        probe->userdata = userdata;
        return 0;
}

void probe_stop(struct probe *probe)
{
        if (!probe->source)
                return;
        close_answer(probe);
        (void)kill(probe->pid, SIGKILL);
        if (waitpid(probe->pid, NULL, WNOHANG) != 0)
                probe->pid = 0;
}
