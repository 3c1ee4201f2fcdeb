/* SPDX-License-Identifier: Apache-2.0 */

#include "drill-etcd.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "files.h"
#include "quantity.h"
#include "timestamp.h"

#define START_USEC  (10 * USEC_PER_MIN) /* of a large database on a busy disk */
#define STOP_USEC   (20 * USEC_PER_SEC)
#define LOOK_USEC   (50 * USEC_PER_MSEC)
#define ANSWER_USEC (5 * USEC_PER_SEC)

/* etcd makes a socket of this name in its working directory, which only root can enter. */
#define SOCKET "drill:1"

#define LOG_FILE     "etcd.log"
#define LOG_SIZE_MAX (64 * 1024 * 1024)
#define LAST_MAX     400

static char *const arguments[] = {
        (char *)"etcd",
        (char *)"--name=" DRILL_MEMBER,
        (char *)"--data-dir=data",
        (char *)"--initial-cluster=" DRILL_MEMBER "=" DRILL_PEER_URL,
        (char *)"--initial-advertise-peer-urls=" DRILL_PEER_URL,
        (char *)"--listen-client-urls=unix://" SOCKET,
        (char *)"--advertise-client-urls=http://localhost:2379",
        (char *)"--listen-peer-urls=unix://drill:2",
        NULL,
};

/* What the child does before it is etcd: only what a signal handler might do, too. etcd does not outlive a
 * drill that is killed, for nobody would find it again. */
static void become_etcd(const char *program, const char *directory, pid_t drill)
{
        static char *const environment[] = { (char *)"PATH=/usr/bin:/bin", NULL };
        int in = open("/dev/null", O_RDONLY), out;

        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != drill || chdir(directory) < 0)
                _exit(127);
        out = open(LOG_FILE, O_WRONLY | O_CREAT | O_APPEND, 0600);
        if (in < 0 || out < 0 || dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
            dup2(out, STDERR_FILENO) < 0)
                _exit(127);
        execve(program, arguments, environment);
        _exit(127);
}

static int spawn(const char *program, const char *directory, pid_t *ret)
{
        pid_t drill = getpid(), pid = fork();

        if (pid < 0)
                return -errno;
        if (pid == 0)
                become_etcd(program, directory, drill);
        *ret = pid;
        return 0;
}

static bool has_ended(struct drill_etcd *etcd)
{
        int status;

        if (etcd->pid > 0 && waitpid(etcd->pid, &status, WNOHANG) == etcd->pid)
                etcd->pid = 0;
        return etcd->pid == 0;
}

void drill_etcd_stop(struct drill_etcd *etcd)
{
        uint64_t deadline = now_boottime_usec() + STOP_USEC;

        if (etcd->pid > 0)
                kill(etcd->pid, SIGTERM);
        while (!has_ended(etcd)) {
                if (now_boottime_usec() > deadline)
                        kill(etcd->pid, SIGKILL);
                usleep((useconds_t)LOOK_USEC);
        }
        etcd_peer_clear(&etcd->peer);
}

/* The end of etcd's log, for its directory goes with the drill. Owned by the caller; NULL: there is none. */
static char *last_words(const char *directory)
{
        _cleanup_free_ char *path = NULL, *log = NULL;
        size_t size;

        if (asprintf(&path, "%s/" LOG_FILE, directory) < 0) {
                path = NULL;
                return NULL;
        }
        if (file_read(path, LOG_SIZE_MAX, &log, &size) < 0)
                return NULL;
        while (size > 0 && log[size - 1] == '\n')
                log[--size] = '\0';
        return strdup(size > LAST_MAX ? log + size - LAST_MAX : log);
}

static int tell(int error, const char *what, const char *directory, struct failure *failure)
{
        _cleanup_free_ char *words = last_words(directory);

        return failure_set(failure, error, "DrillEtcdFailed", "%s; the last of its log: %s", what,
                           words ?: "nothing");
}

static int wait_until_healthy(struct drill_etcd *etcd, const char *directory, struct failure *failure)
{
        uint64_t deadline = now_boottime_usec() + START_USEC;

        while (etcd_ask_health(&etcd->peer, ANSWER_USEC, NULL) < 0) {
                if (has_ended(etcd))
                        return tell(-EIO, "etcd ends at once on the restored data", directory, failure);
                if (now_boottime_usec() > deadline)
                        return tell(-ETIMEDOUT,
                                    "etcd does not become healthy on the restored data within ten minutes",
                                    directory, failure);
                usleep((useconds_t)LOOK_USEC);
        }
        return 0;
}

int drill_etcd_start(const struct etcd_tool *tool, const char *directory, struct drill_etcd *ret,
                     struct failure *failure)
{
        struct drill_etcd etcd = { .peer.url = strdup("http://localhost") };
        int r;

        if (!etcd.peer.url || asprintf(&etcd.peer.unix_socket, "%s/" SOCKET, directory) < 0) {
                etcd.peer.unix_socket = NULL;
                r = -ENOMEM;
        } else {
                r = spawn(tool->path, directory, &etcd.pid);
        }
        if (r >= 0)
                r = wait_until_healthy(&etcd, directory, failure);
        if (r < 0) {
                drill_etcd_stop(&etcd);
                return r;
        }
        *ret = etcd;
        return 0;
}
