/* SPDX-License-Identifier: Apache-2.0 */

#include "drill-etcd.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "quantity.h"
#include "timestamp.h"

#define START_USEC  (10 * USEC_PER_MIN) /* of a large database on a busy disk */
#define STOP_USEC   (20 * USEC_PER_SEC)
#define LOOK_USEC   (50 * USEC_PER_MSEC)
#define ANSWER_USEC (5 * USEC_PER_SEC)

/* etcd makes a socket of this name in its working directory, which only root can enter. */
#define SOCKET "drill:1"

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

static int spawn(const char *program, const char *directory, pid_t *ret)
{
        static char *const environment[] = { (char *)"PATH=/usr/bin:/bin", NULL };
        posix_spawn_file_actions_t actions;
        int r;

        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_addchdir_np(&actions, directory);
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "etcd.log", O_WRONLY | O_CREAT | O_APPEND,
                                         0600);
        posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
        r = posix_spawn(ret, program, &actions, NULL, arguments, environment);
        posix_spawn_file_actions_destroy(&actions);
        return -r;
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

static int wait_until_healthy(struct drill_etcd *etcd, const char *directory, struct failure *failure)
{
        uint64_t deadline = now_boottime_usec() + START_USEC;

        while (etcd_ask_health(&etcd->peer, ANSWER_USEC, NULL) < 0) {
                if (has_ended(etcd))
                        return failure_set(failure, -EIO, "DrillEtcdFailed",
                                           "etcd ends at once on the restored data; see %s/etcd.log",
                                           directory);
                if (now_boottime_usec() > deadline)
                        return failure_set(
                                failure, -ETIMEDOUT, "DrillEtcdFailed",
                                "etcd does not become healthy on the restored data within ten minutes; "
                                "see %s/etcd.log",
                                directory);
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
