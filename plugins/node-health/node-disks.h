/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The block devices that the node's own file systems are on, by the names that the kernel gives them in its
 * messages: the partition, its disk, and what a device-mapper volume is made of. */

#include <stddef.h>

#include "config.h"

#define NODE_DISK_NAME_SIZE 32 /* BDEVNAME_SIZE */

/* Of the file systems that hold these paths below root. Returns the number of names; what cannot be looked at
 * adds none. */
size_t node_disks_find(const char *root, const struct config_strings *paths,
                       char (*ret_names)[NODE_DISK_NAME_SIZE], size_t max);
