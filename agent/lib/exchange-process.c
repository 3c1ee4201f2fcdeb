/* SPDX-License-Identifier: Apache-2.0 */

#include "exchange-process.h"

#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>

#include "files.h"

extern char **environ;

int exchange_question_new(struct exchange_question *question)
{
        *question = (struct exchange_question){};
        question->stream = open_memstream(&question->text, &question->size);
        return question->stream ? 0 : -ENOMEM;
}

static int file_in_memory(const char *text, size_t size)
{
        _cleanup_close_ int fd = memfd_create("request", MFD_CLOEXEC);
        int r;

        if (fd < 0)
                return -errno;
        r = write_all(fd, text, size);
        if (r < 0)
                return r;
        return lseek(fd, 0, SEEK_SET) < 0 ? -errno : TAKE_FD(fd);
}

int exchange_question_file(struct exchange_question *question)
{
        int r = ferror(question->stream) ? -ENOMEM : 0;

        if (fclose(TAKE_PTR(question->stream)) != 0)
                r = -ENOMEM;
        if (r >= 0)
                r = file_in_memory(question->text, question->size);
        if (question->text)
                explicit_bzero(question->text, question->size);
        free(question->text);
        return r;
}

int exchange_spawn(const char *path, int in, int out, pid_t *ret)
{
        char *const arguments[] = { (char *)path, NULL };
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attributes;
        sigset_t none, pipe;
        int r;

        /* What the event loop blocked or ignores for itself. */
        sigemptyset(&none);
        sigemptyset(&pipe);
        sigaddset(&pipe, SIGPIPE);
        r = posix_spawnattr_init(&attributes);
        if (r != 0)
                return -r;
        r = posix_spawn_file_actions_init(&actions);
        if (r != 0) {
                posix_spawnattr_destroy(&attributes);
                return -r;
        }
        r = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
        if (r == 0)
                r = posix_spawnattr_setsigmask(&attributes, &none);
        if (r == 0)
                r = posix_spawnattr_setsigdefault(&attributes, &pipe);
        if (r == 0)
                r = posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
        if (r == 0)
                r = posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
        if (r == 0)
                r = posix_spawn(ret, path, &actions, &attributes, arguments, environ);
        posix_spawn_file_actions_destroy(&actions);
        posix_spawnattr_destroy(&attributes);
        return -r;
}
