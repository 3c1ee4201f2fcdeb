/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* /proc/PID/mountinfo (proc_pid_mountinfo(5)). The super options, the last field, belong to the file system
 * itself; the options before the dash belong to one mount of it, and ProtectSystem=strict sets those to ro
 * everywhere. */

#include <stdbool.h>
#include <stddef.h>

#include "cleanup.h"

struct mount {
        char *device;        /* "253:1" */
        char *mount_point;   /* unescaped */
        char *type;          /* "ext4" */
        char *source;        /* unescaped: "/dev/vda1" */
        char *super_options; /* "rw,errors=remount-ro" */
        size_t line;         /* of mountinfo_find: from 1 */
};
void mount_clear(struct mount *mount);

/* Parses one line, with or without its line break. Returns 0, -EBADMSG for a line that is not of that form,
 * or -ENOMEM. */
int mountinfo_parse_line(const char *line, struct mount *ret);

/* The mounts of this process, owned by the caller. Returns 0 or as file_read. */
int mountinfo_read(char **ret);

/* The same, of an open one: so many lines from its beginning, which are likely to have so many bytes, or all
 * that there are. The kernel writes them anew each time, but only those that are read. */
int mountinfo_read_lines(int fd, size_t lines, size_t size, char **ret);

/* The mount that holds path: the longest mount point above it; of several on one another the last, which is
 * on top. Returns 0, -ENOENT when no line fits, or as mountinfo_parse_line. */
int mountinfo_find(const char *mountinfo, const char *path, struct mount *ret);

/* Whether a comma-separated list contains the option. */
bool mount_option(const char *options, const char *option);
