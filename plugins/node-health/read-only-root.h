/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Whether the kernel has made the root file system read-only (ext4's errors=remount-ro after an I/O error).
 */

#include "check.h"

int read_only_root_start(struct check_run *run);
