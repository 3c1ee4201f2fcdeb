/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What is done with the Node when the agent is not there: MachineHealthCheck never looks at heartbeats, so
 * that the conditions of a dead agent would stay "healthy" for ever. Each waits for the API server, 10 s at
 * most. */

/* ExecStopPost=: every condition of ours becomes Unknown, AgentStopped or, as $SERVICE_RESULT says,
 * AgentCrashed. Nothing is done when systemd is about to start the agent again for somebody (a restart), or
 * when nothing was ever published. Returns an exit status. */
int withdraw_to_unknown(const char *root);

/* When the package is removed: what we own on the Node is taken away. Returns an exit status. */
int withdraw_undo(const char *root);
