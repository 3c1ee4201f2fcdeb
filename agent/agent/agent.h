/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The agent's daemon: follows configurations and reports, starts plugin units, serves requests, and publishes
 * the merged health document. */

/* Runs until SIGTERM. Returns an exit status. */
int agent_run(const char *root);
