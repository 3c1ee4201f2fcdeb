/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* show [--json]: the variables as units get them, without credentials. */
int show(int argc, char *argv[], void *userdata);
