/* SPDX-License-Identifier: Apache-2.0 */

#include "filter-node.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "network-lab.h"
#include "pki.h"
#include "program.h"
#include "report.h"

char *root;
pid_t api, filter;

static bool api_listens(void *userdata)
{
        return lab_reach(FRIEND, API_PORT) == REACH_CONNECTED;
}

void start_api(void)
{
        _cleanup_free_ char *certificate = NULL, *key = NULL;

        assert_true(asprintf(&certificate, "%s/api.crt", root) > 0 && asprintf(&key, "%s/api.key", root) > 0);
        api = program_start("/usr/bin/openssl",
                            (const char *const[]){ "s_server", "-quiet", "-accept", "6443", "-www", "-cert",
                                                   certificate, "-key", key, NULL });
        wait_until(api_listens, NULL, "the API");
}

void stop_api(void)
{
        if (api > 0)
                (void)program_stop(api, SIGKILL);
        api = 0;
}

void start_program(const char *program)
{
        filter = program_start(program, (const char *const[]){ "--root", root, "daemon", NULL });
}

void start_filter(void)
{
        start_program(KUBE_API_FILTER);
}

int stop_filter(int signal)
{
        pid_t pid = filter;

        filter = 0;
        return pid > 0 ? program_stop(pid, signal) : 0;
}

int run(const char *command, const char *argument, const char *value)
{
        return program_wait(program_start(KUBE_API_FILTER, (const char *const[]){ "--root", root, command,
                                                                                  argument, value, NULL }));
}

/* A node that has joined: a kubelet.conf that names the API's endpoint and CA. */
void join_by(const char *endpoint)
{
        _cleanup_free_ char *text = NULL;

        assert_true(asprintf(&text,
                             "apiVersion: v1\nkind: Config\ncurrent-context: a\n"
                             "contexts: [{ name: a, context: { cluster: a, user: a } }]\n"
                             "clusters: [{ name: a, cluster: { server: \"https://%s:6443\", "
                             "certificate-authority: /ca.crt } }]\n"
                             "users: [{ name: a, user: { client-certificate: /api.crt, client-key: "
                             "/api.key } }]\n",
                             endpoint) > 0);
        root_write(root, "etc/kubernetes/kubelet.conf", text, 0600);
}

int make_root(void **state)
{
        struct identity ca = identity_make(NULL, "kubernetes", "test", true, 1);
        struct identity server = identity_make_server(&ca, "DNS:localhost,IP:127.0.0.1,IP:" BALANCER);
        _cleanup_free_ char *pki = NULL;

        root = root_make();
        identity_save(&ca, root, "ca");
        identity_save(&server, root, "api");
        identity_clear(&ca);
        identity_clear(&server);
        assert_true(asprintf(&pki, "mkdir -p %s/etc/kubernetes", root) > 0);
        lab_node(pki);
        join_by("127.0.0.1");
        return 0;
}

int remove_root(void **state)
{
        (void)stop_filter(SIGTERM);
        stop_api();
        assert_int_equal(run("undo", NULL, NULL), 0);
        root_remove(root);
        return 0;
}

bool has_condition(void *userdata)
{
        const struct wanted_condition *wanted = userdata;
        _cleanup_(report_freep) struct report *report = NULL;
        _cleanup_free_ char *text = root_read(root, REPORT);

        if (!text || report_parse(text, strlen(text), &report, NULL) < 0)
                return false;
        for (size_t i = 0; i < report->n_conditions; i++)
                if (strcmp(report->conditions[i].reason, wanted->reason) == 0 &&
                    (!wanted->message || strstr(report->conditions[i].message, wanted->message)))
                        return true;
        return false;
}

void wait_for(const char *reason)
{
        wait_until(has_condition, &(struct wanted_condition){ reason, NULL }, reason);
}

void configure(const char *text)
{
        root_write(root, CONFIG, text, 0644);
}

bool stranger_is_out(void *userdata)
{
        return system("nft list chain inet capi_node_agent input >/dev/null 2>&1") == 0 &&
               !lab_passes(STRANGER, API_PORT);
}

/* With the API and the filter running, and the list confirmed. */
void put_in_force(const char *config)
{
        configure(config);
        start_api();
        start_filter();
        wait_for("ListInForce");
}

/* The whole report satisfies jq's condition. */
bool report_is(void *userdata)
{
        _cleanup_free_ char *command = NULL;

        assert_true(asprintf(&command, "jq -e '%s' %s/" REPORT " >/dev/null", (const char *)userdata, root) >
                    0);
        return system(command) == 0;
}

bool other_is_in(void *userdata)
{
        return lab_reach(OTHER, API_PORT) == REACH_CONNECTED;
}

bool other_is_out(void *userdata)
{
        return lab_reach(OTHER, API_PORT) == REACH_DROPPED;
}

/* show [--json] has the text, or has not. */
bool shows(const char *json, const char *text)
{
        _cleanup_free_ char *command = NULL;
        int status;

        assert_true(asprintf(&command, "%s --root %s show %s | grep -qE '%s'", KUBE_API_FILTER, root, json,
                             text) > 0);
        status = system(command);
        assert_true(WIFEXITED(status));
        return WEXITSTATUS(status) == 0;
}
