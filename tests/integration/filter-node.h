/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A node with the resident filter and an API, a real TLS server, in the lab's network. */

#include <stdbool.h>
#include <sys/types.h>

#define CONFIG "etc/capi-node-agent/kube-api-filter.json"
#define REPORT "run/capi-node-agent/reports/kube-api-filter.json"

#define FRIENDS "\"allow\": [\"203.0.113.0/24\"], \"nodes\": []"

/* A load balancer of the clients' side, which sends to the node what goes to this address, from this address,
 * as OVN's does with what comes from behind itself. */
#define BALANCER "192.0.2.100"

extern char *root;
extern pid_t api, filter; /* the processes; 0: not running */

/* For cmocka_unit_test_setup_teardown: a node that has joined, and nothing runs; all is ended and undone. */
int make_root(void **state);
int remove_root(void **state);

/* A kubelet.conf that names the API's endpoint and CA. */
void join_by(const char *endpoint);
void start_api(void);
void stop_api(void);
void start_filter(void);
void start_program(const char *program); /* another build of it */
int stop_filter(int signal);
void configure(const char *text);
/* With the API and the filter running, and the list confirmed. */
void put_in_force(const char *config);
/* A command of the filter; its exit status. */
int run(const char *command, const char *argument, const char *value);
/* show [--json] has the text, or has not. */
bool shows(const char *json, const char *text);

struct wanted_condition {
        const char *reason, *message; /* a part of it, or NULL */
};

/* For wait_until: the report has a struct wanted_condition; the whole report satisfies jq's condition; who of
 * the clients gets in. */
bool has_condition(void *userdata);
bool report_is(void *userdata);
bool stranger_is_out(void *userdata);
bool other_is_in(void *userdata);
bool other_is_out(void *userdata);
void wait_for(const char *reason);
