/* SPDX-License-Identifier: Apache-2.0 */

/* The status screen, character by character; on a terminal of 80 columns, too. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pty.h>
#include <sys/wait.h>

#include "../../agent/cli/screen.c"
#include "../../agent/cli/status-screen.c"

#define DESIRED "sha256:1111111111111111111111111111111111111111111111111111111111111111"
#define APPLIED "sha256:2222222222222222222222222222222222222222222222222222222222222222"

#define DOCUMENT                                                                                             \
        "{'node':'cp-0','hostname':'cp-0','bootId':'b','agentVersion':'0.1.0',"                              \
        "'generatedAt':'2026-11-21T09:59:56Z','validFor':'1m','status':'Degraded','phase':'Joined',"         \
        "'conditions':["                                                                                     \
        "{'type':'EtcdBackupHealthy','status':'False','reason':'CopyTooOld','healthy':false,"                \
        "'severity':'Warning','lastTransitionTime':'2026-11-21T07:00:00Z','message':'the newest verified "   \
        "copy is 8h old, maxAge is 5h; take one now: capi-node etcd-backup snapshot'},"                      \
        "{'type':'NodeStorageReady','status':'True','reason':'AllGood','healthy':true,'severity':'Fatal',"   \
        "'lastTransitionTime':'2026-11-19T10:00:00Z','message':'not shown'}],"                               \
        "'capabilities':["                                                                                   \
        "{'name':'etcd-backup','state':'InForce','appliedAt':'2026-11-21T08:00:00Z','desired':'" DESIRED     \
        "',"                                                                                                 \
        "'applied':'" DESIRED "','lastError':null},"                                                         \
        "{'name':'gateway','state':'Failed','appliedAt':'2026-11-21T08:00:00Z','desired':'" DESIRED "',"     \
        "'applied':'" APPLIED "','lastError':'the certificate expired'}],"                                   \
        "'timers':[{'capability':'etcd-backup','unit':'capi-node-etcd-snapshot.timer',"                      \
        "'calendar':'*-*-* 00/2:00:00','next':'2026-11-21T10:34:00Z'}],"                                     \
        "'checks':[{'name':'disk-space','status':'OK','message':'m','since':'2026-11-21T08:00:00Z'},"        \
        "{'name':'dns','status':'Warn','message':'cluster.local takes 2s','since':'2026-11-21T09:58:00Z'}]," \
        "'versions':{'kernel':'5.15.0','apiServer':null,'kubelet':'v1.31.1'}}"

#define REPORTS                                                                                            \
        "[{'plugin':'etcd-backup','generatedAt':'2026-11-21T09:59:00Z','validFor':'2m','info':{'copies':[" \
        "{'target':'local','newest':'etcd-prod-cp-0-20261121T020000Z-r123.tar.zst','revision':123,"        \
        "'sha256':'abcdef0123456789','finishedAt':'2026-11-21T02:00:00Z'}],'drill':{'result':'Proven',"    \
        "'message':'revision 120 was restored and served in 2s','finishedAt':'2026-11-18T03:00:00Z'}}},"   \
        "{'plugin':'kube-api-filter','generatedAt':'2026-11-21T09:00:00Z','validFor':'2m','info':{"        \
        "'mode':'enforce','allowed':['a','b'],'sets':{}}},"                                                \
        "{'plugin':'node-health','generatedAt':'2026-11-21T09:59:00Z','validFor':'2m','conditions':["      \
        "{'type':'NodeStorageReady','status':'True','reason':'AllGood','healthy':true,'severity':'Fatal'," \
        "'lastTransitionTime':'2026-11-19T10:00:00Z','message':'m'}],'info':{'certificates':["             \
        "{'path':'/etc/kubernetes/pki/ca.crt','notAfter':'2036-11-21T10:00:00Z'},"                         \
        "{'path':'/etc/kubernetes/pki/apiserver.crt','notAfter':'2026-12-21T10:00:00Z'}]}}]"

/* As JSON, with ' for ". */
static json_object *parse(const char *text)
{
        _cleanup_free_ char *copy = strdup(text);
        json_object *object = NULL;

        for (char *at = copy; *at; at++)
                if (*at == '\'')
                        *at = '"';
        assert_int_equal(json_parse(copy, strlen(copy), &object, NULL), 0);
        return object;
}

static char *render(const char *document, const char *now, bool colour, const char *expected_status)
{
        _cleanup_json_ json_object *object = document ? parse(document) : NULL, *reports = parse(REPORTS);
        struct status_files files = { .document = object, .reports = reports, .boot_id = "b" };
        struct screen screen = { .width = 80, .colour = colour };
        char *text = NULL;
        size_t size;

        assert_int_equal(timestamp_parse(now, &files.now_usec), 0);
        screen.stream = open_memstream(&text, &size);
        assert_string_equal(status_print(&screen, &files), expected_status);
        assert_int_equal(fclose(screen.stream), 0);
        return text;
}

static void one_screen_tells_what_a_paged_person_wants(void **state)
{
        _cleanup_free_ char *text = render(DOCUMENT, "2026-11-21T10:00:00Z", false, "Degraded");

        assert_string_equal(text,
                            "cp-0 (Joined)  Degraded\n"
                            "reported 4s ago by agent 0.1.0\n"
                            "\n"
                            "CONDITION                STATUS   SINCE      REASON\n"
                            "EtcdBackupHealthy        False    3h         CopyTooOld\n"
                            "    the newest verified copy is 8h old, maxAge is 5h; take one now: capi-node\n"
                            "    etcd-backup snapshot\n"
                            "NodeStorageReady         True     2d         AllGood\n"
                            "\n"
                            "CAPABILITY               STATE    APPLIED    CONFIGURATION\n"
                            "etcd-backup              InForce  2h         11111111\n"
                            "gateway                  Failed   2h         11111111, in force is 22222222\n"
                            "    the certificate expired\n"
                            "\n"
                            "BACKUP                   AGE        NEWEST VERIFIED COPY\n"
                            "local                    8h         revision 123, sha256 abcdef012345\n"
                            "    etcd-prod-cp-0-20261121T020000Z-r123.tar.zst\n"
                            "restore drill            3d 7h      Proven\n"
                            "    revision 120 was restored and served in 2s\n"
                            "\n"
                            "NEXT             TIMER\n"
                            "in 34m           capi-node-etcd-snapshot.timer (*-*-* 00/2:00:00)\n"
                            "\n"
                            "EXPIRES          CERTIFICATE\n"
                            "in 30 days       /etc/kubernetes/pki/apiserver.crt\n"
                            "in 3653 days     /etc/kubernetes/pki/ca.crt\n"
                            "\n"
                            "STATE\n"
                            "kube-api-filter          (reported 1h ago) mode: enforce, allowed: 2\n"
                            "\n"
                            "CHECK (1 of 2 OK)        STATUS   SINCE\n"
                            "dns                      Warn     2m         cluster.local takes 2s\n"
                            "\n"
                            "kernel 5.15.0, kubelet v1.31.1\n");
}

static void what_is_old_says_how_old_it_is_and_the_node_counts_as_unknown(void **state)
{
        _cleanup_free_ char *text = render(DOCUMENT, "2026-11-21T10:05:00Z", false, "Unknown");

        assert_non_null(
                strstr(text,
                       "cp-0 (Joined)  Unknown\nreported 5m 4s ago by agent 0.1.0\n"
                       "The agent does not renew its report: what follows is old. Type: systemctl status\n"
                       "capi-node-agent.service\n"));
        assert_non_null(strstr(text, "NEWEST VERIFIED COPY (reported 6m ago)\n"));
}

static void with_the_agent_down_the_plugins_are_heard(void **state)
{
        _cleanup_free_ char *text = render(NULL, "2026-11-21T10:00:00Z", false, "Unknown");

        assert_non_null(strstr(text, "The agent has not reported"));
        assert_non_null(strstr(text, "NodeStorageReady         True     2d         AllGood\n"));
        assert_non_null(strstr(text, "revision 123"));
}

static void a_message_does_not_steer_the_terminal_and_long_names_are_cut(void **state)
{
        _cleanup_free_ char *text =
                render("{'hostname':'n','bootId':'b','conditions':[{'type':"
                       "'AVeryLongConditionTypeThatDoesNotFit','status':'False','reason':'R','healthy':false,"
                       "'message':'\\u001b[2Jwiped \\u009b0m caf\\u00e9'}]}",
                       "2026-11-21T10:00:00Z", false, "Unknown");

        assert_null(strchr(text, '\033'));
        assert_non_null(strstr(text, "AVeryLongConditionTypeT~ False"));
        assert_non_null(strstr(text, "    ?[2Jwiped ?0m caf\xc3\xa9\n"));
}

/* What the program in the child writes to its terminal, or with terminal false to a pipe. */
static char *on_terminal(bool terminal)
{
        struct winsize size = { .ws_row = 24, .ws_col = 60 };
        char *text = calloc(1, 65536);
        int master, pipe_ends[2], status;
        size_t used = 0;
        ssize_t n;
        pid_t pid;

        assert_int_equal(pipe(pipe_ends), 0);
        pid = forkpty(&master, NULL, NULL, &size);
        assert_true(pid >= 0);
        if (pid == 0) {
                struct screen screen;

                if (!terminal)
                        dup2(pipe_ends[1], STDOUT_FILENO);
                screen = screen_open();
                fprintf(screen.stream, "%d ", screen.width);
                screen_column(&screen, "word", 0, RED);
                fflush(stdout);
                _exit(0);
        }
        close(pipe_ends[1]);
        while (used < 65535 && (n = read(terminal ? master : pipe_ends[0], text + used, 65535 - used)) > 0)
                used += (size_t)n;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        close(pipe_ends[0]);
        close(master);
        return text;
}

static void colours_are_for_terminals_and_the_width_is_theirs(void **state)
{
        _cleanup_free_ char *terminal = NULL, *plain = NULL, *unwanted = NULL;

        unsetenv("NO_COLOR");
        terminal = on_terminal(true);
        plain = on_terminal(false);
        assert_int_equal(setenv("NO_COLOR", "1", 1), 0);
        unwanted = on_terminal(true);
        assert_string_equal(terminal, "60 \033[31mword\033[0m ");
        assert_string_equal(plain, "80 word ");
        assert_string_equal(unwanted, "60 word ");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(one_screen_tells_what_a_paged_person_wants),
                cmocka_unit_test(what_is_old_says_how_old_it_is_and_the_node_counts_as_unknown),
                cmocka_unit_test(with_the_agent_down_the_plugins_are_heard),
                cmocka_unit_test(a_message_does_not_steer_the_terminal_and_long_names_are_cut),
                cmocka_unit_test(colours_are_for_terminals_and_the_width_is_theirs),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
