/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Whether the file systems that the node needs were made read-only, as the kernel does after an error. */

#include "check.h"

int read_only_root_start(struct check_run *run);
int read_only_filesystem_start(struct check_run *run);
