/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The commands of `capi-node kube-api-filter`; userdata is the plugin's context, the result an exit status.
 */

int filter_run_show(int argc, char *argv[], void *userdata);
int filter_run_preview(int argc, char *argv[], void *userdata);
int filter_run_test(int argc, char *argv[], void *userdata);
int filter_run_apply(int argc, char *argv[], void *userdata);
int filter_run_confirm(int argc, char *argv[], void *userdata);
int filter_run_rollback(int argc, char *argv[], void *userdata);
int filter_run_disable(int argc, char *argv[], void *userdata);
int filter_run_enable(int argc, char *argv[], void *userdata);
