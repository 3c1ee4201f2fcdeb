/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Serves what reports ask of systemd, from the fixed table of what each plugin may ask. Level-triggered:
 * timers are made, changed and removed until what runs is what is asked for. */

#include "capability.h"

struct requests;

/* served_path keeps which restarts were served in this boot; it lies below /run. */
int requests_new(const char *served_path, struct requests **ret);
struct requests *requests_free(struct requests *requests);
DEFINE_CLEANUP(struct requests *, requests_free)

/* Has the states of all grantable units asked for with units_refresh. */
int requests_watch(struct units *units);

/* Compares what all reports ask for with what systemd has, and asks for the difference. What is refused
 * becomes the capability's request_error. */
void requests_serve(struct requests *requests, struct capabilities *capabilities, struct units *units);

/* Appends each granted timer that a report asks for as the health document has it: capability, unit,
 * calendar, and when it elapses next (null: it does not run, or systemd has not said). Returns 0 or -ENOMEM.
 */
int requests_describe(const struct capabilities *capabilities, struct units *units, json_object *timers);
