/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* list [--json]: the authorities, when they expire, and who installed them. */
int list(int argc, char *argv[], void *userdata);
