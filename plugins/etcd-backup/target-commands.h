/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The commands of etcd-backup that look at targets over the network. userdata is the root. */

int target_run_list(int argc, char *argv[], void *userdata);   /* list --all */
int target_run_verify(int argc, char *argv[], void *userdata); /* verify --target NAME */
