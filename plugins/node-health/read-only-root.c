/* SPDX-License-Identifier: Apache-2.0 */

#include "read-only-root.h"

#include <string.h>

#include "mountinfo.h"
#include "node.h"

static void judge(const struct mount *mount, struct check_result *ret)
{
        if (mount_option(mount->super_options, "ro"))
                check_result_set(ret, CHECK_FAIL, "RootReadOnly",
                                 "the file system of %s (%s on %s) is read-only; look for I/O errors in: "
                                 "journalctl -k; "
                                 "then repair it and reboot",
                                 mount->mount_point, mount->type, mount->source);
        else
                check_result_set(ret, CHECK_OK, "RootWritable", "the root file system can be written");
}

int read_only_root_start(struct check_run *run)
{
        _cleanup_(mount_clear) struct mount mount = {};
        _cleanup_(fclosep) FILE *stream = NULL;
        struct check_result result;
        int r;

        /* Of this process, also with --root: the mounts are the kernel's, not the tree's. */
        stream = fopen("/proc/self/mountinfo", "re");
        if (!stream)
                return -errno;
        r = mountinfo_find(stream, run->node->root, &mount);
        if (r < 0)
                return r;
        judge(&mount, &result);
        check_finish(run, &result);
        return 0;
}
