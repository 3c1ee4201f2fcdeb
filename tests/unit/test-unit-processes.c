/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after the standard headers that it needs */
#include <cmocka.h>

#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "files.h"
#include "quantity.h"
#include "timestamp.h"
#include "unit-processes.h"

static char services[] = "/tmp/test-unit-processes-XXXXXX";

static int make_services(void **state)
{
        return mkdtemp(services) && chdir(services) == 0 && mkdir("a.service", 0755) == 0 ? 0 : -1;
}

static int remove_services(void **state)
{
        unlink("a.service/cgroup.procs");
        return rmdir("a.service") == 0 && chdir("/") == 0 && rmdir(services) == 0 ? 0 : -1;
}

static void put(const char *text)
{
        assert_int_equal(file_write("a.service/cgroup.procs", text, strlen(text), 0644), 0);
}

/* The clock's ticks are a hundredth of a second. */
static void a_service_started_when_its_oldest_process_did(void **state)
{
        uint64_t now = now_boottime_usec(), start;
        _cleanup_free_ char *pids = NULL;
        pid_t child;

        child = fork();
        if (child == 0) {
                prctl(PR_SET_NAME, "a) b (c 1 2 3");
                pause();
                _exit(0);
        }
        assert_true(asprintf(&pids, "%d\n", (int)child) > 0);
        put(pids);
        assert_int_equal(service_started(services, "a.service", &start), 0);
        assert_true(start >= now);
        assert_true(start <= now_boottime_usec() + 20 * USEC_PER_MSEC);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);

        free(pids);
        assert_true(asprintf(&pids, "%d\n1\n", (int)getpid()) > 0);
        put(pids);
        assert_int_equal(service_started(services, "a.service", &start), 0);
        assert_true(start < now);
}

static void a_service_without_a_process_does_not_run(void **state)
{
        uint64_t start = 7;

        put("");
        assert_int_equal(service_started(services, "a.service", &start), -ESRCH);
        put("4194305\nnot a number\n../../etc\n");
        assert_int_equal(service_started(services, "a.service", &start), -ESRCH);
        assert_int_equal(service_started(services, "b.service", &start), -ESRCH);
        assert_int_equal(start, 7);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_service_started_when_its_oldest_process_did),
                cmocka_unit_test(a_service_without_a_process_does_not_run),
        };

        return cmocka_run_group_tests_name("unit-processes", tests, make_services, remove_services);
}
