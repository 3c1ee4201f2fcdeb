/* SPDX-License-Identifier: Apache-2.0 */

#include "certificate-exchange.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "exchange-message.h"
#include "exchange-process.h"
#include "files.h"
#include "kubeconfig.h"
#include "quantity.h"
#include "timestamp.h"

#define ANSWER_MAX   (16 * 1024)
#define TIMEOUT_USEC (5 * USEC_PER_SEC)

static int question_new(struct exchange_question *question, const char *kind)
{
        int r = exchange_question_new(question);

        if (r >= 0)
                exchange_put_text(question->stream, "question", kind);
        return r;
}

static int read_answer(int fd, char text[static ANSWER_MAX], size_t *ret_size)
{
        uint64_t end = now_boottime_usec() + TIMEOUT_USEC;
        size_t size = 0;

        for (;;) {
                struct pollfd ready = { .fd = fd, .events = POLLIN };
                uint64_t now = now_boottime_usec();
                ssize_t n;

                if (now >= end || size == ANSWER_MAX)
                        return now >= end ? -ETIMEDOUT : -EFBIG;
                if (poll(&ready, 1, (int)((end - now) / USEC_PER_MSEC + 1)) <= 0)
                        continue;
                n = read(fd, text + size, ANSWER_MAX - size);
                if (n < 0 && errno != EINTR)
                        return -errno;
                if (n == 0)
                        break;
                if (n > 0)
                        size += (size_t)n;
        }
        *ret_size = size;
        return 0;
}

static int run(int question, char text[static ANSWER_MAX], size_t *ret_size)
{
        _cleanup_close_ int answer = -EBADF, out = -EBADF;
        int fds[2], r;
        pid_t pid;

        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        answer = fds[0];
        out = fds[1];
        r = exchange_spawn(CERTIFICATE_EXCHANGE, question, out, &pid);
        if (r < 0)
                return r;
        closep(&out);
        out = -EBADF;
        r = read_answer(answer, text, ret_size);
        /* Behind its answer it only has to end. */
        kill(pid, SIGKILL);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                ;
        return r;
}

/* Ends the question. ret may be NULL. */
static int ask(struct exchange_question *question, char **ret, struct failure *failure)
{
        _cleanup_close_ int fd = exchange_question_file(question);
        char text[ANSWER_MAX], *at = text, *end, *name, *value;
        const char *reason = NULL, *message = NULL, *answer = NULL;
        int error = -EPROTO, r;
        size_t size;

        if (fd < 0)
                return fd;
        r = run(fd, text, &size);
        if (r < 0)
                return r;
        end = text + size;
        while ((r = exchange_take(&at, end, &name, &value, &size)) > 0) {
                if (strcmp(name, "error") == 0)
                        error = -(int)strtol(value, NULL, 10);
                else if (strcmp(name, "reason") == 0)
                        reason = value;
                else if (strcmp(name, "message") == 0)
                        message = value;
                else if (strcmp(name, "answer") == 0)
                        answer = value;
        }
        if (r < 0)
                return r;
        if (error < 0)
                return reason && message ? failure_set(failure, error, reason, "%s", message) : error;
        if (ret && !answer)
                return -EPROTO;
        if (ret)
                *ret = strdup(answer);
        return ret && !*ret ? -ENOMEM : 0;
}

static void put_file(struct exchange_question *question, const char *name, const char *content,
                     const struct certificate_file *file)
{
        exchange_put_text(question->stream, name, file->name);
        exchange_put(question->stream, content, file->data, file->size);
}

int certificate_exchange_judge(const struct certificate_file *key, const struct certificate_file *certificate,
                               const struct certificate_file *client_ca, char **ret_pin,
                               uint64_t *ret_not_after_usec, struct failure *failure)
{
        _cleanup_free_ char *answer = NULL;
        struct exchange_question question;
        char *not_after;
        int r;

        if (question_new(&question, "judge") < 0)
                return -ENOMEM;
        put_file(&question, "key-file", "key", key);
        put_file(&question, "certificate-file", "certificate", certificate);
        put_file(&question, "client-ca-file", "client-ca", client_ca);
        r = ask(&question, &answer, failure);
        if (r < 0)
                return r;
        not_after = strchr(answer, ' ');
        if (!not_after)
                return -EPROTO;
        *not_after++ = '\0';
        *ret_not_after_usec = strtoull(not_after, NULL, 10);
        *ret_pin = TAKE_PTR(answer);
        return 0;
}

int certificate_exchange_own(const char *directory, const char *hostname, struct failure *failure)
{
        struct exchange_question question;

        if (question_new(&question, "own") < 0)
                return -ENOMEM;
        exchange_put_text(question.stream, "directory", directory);
        exchange_put_text(question.stream, "hostname", hostname);
        return ask(&question, NULL, failure);
}

int kubeconfig_node_name(const struct kubeconfig *kubeconfig, char **ret, struct failure *failure)
{
        struct exchange_question question;

        if (question_new(&question, "node-name") < 0)
                return -ENOMEM;
        exchange_put_text(question.stream, "certificate-file", kubeconfig->certificate.path);
        exchange_put_text(question.stream, "certificate", kubeconfig->certificate.pem);
        return ask(&question, ret, failure);
}
