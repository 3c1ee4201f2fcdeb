/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The commands of its own, as command_run calls them. */

int mirror_run_show(int argc, char *argv[], void *userdata);
int mirror_run_test(int argc, char *argv[], void *userdata);
