/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* capi-node etcd-backup snapshot|list|verify. */

int backup_run_snapshot(int argc, char *argv[], void *userdata);
int backup_run_prune(int argc, char *argv[], void *userdata);
int backup_run_list(int argc, char *argv[], void *userdata);
int backup_run_verify(int argc, char *argv[], void *userdata);
