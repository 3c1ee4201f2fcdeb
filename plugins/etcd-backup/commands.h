/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* capi-node etcd-backup snapshot|list|verify|restore|drill. */

int backup_run_snapshot(int argc, char *argv[], void *userdata);
int backup_run_prune(int argc, char *argv[], void *userdata);
int backup_run_list(int argc, char *argv[], void *userdata);
int backup_run_verify(int argc, char *argv[], void *userdata);
int backup_run_restore(int argc, char *argv[], void *userdata);
int backup_run_drill(int argc, char *argv[], void *userdata);
