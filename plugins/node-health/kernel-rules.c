/* SPDX-License-Identifier: Apache-2.0 */

#include "kernel-rules.h"

#include <string.h>

#include "cleanup.h"

/* Formats of Linux 5.15 to 6.x, each from the file named. An earlier row is tried first. What the read-only
 * check sees by itself (EXT4's "Remounting filesystem read-only") has no row. */
const struct kernel_rule kernel_rules[] = {
        /* arch/x86/mm/fault.c show_fault_oops, arch/x86/kernel/dumpstack.c __die_header,
           arch/arm64/kernel/traps.c __die. A user-space fault starts with "traps:" or the task's name. */
        { "oops", "KernelOops", KERNEL_BROKEN, "BUG: unable to handle " },
        { "oops", "KernelOops", KERNEL_BROKEN, "BUG: kernel NULL pointer dereference" },
        { "oops", "KernelOops", KERNEL_BROKEN, "Oops: " },
        { "oops", "KernelOops", KERNEL_BROKEN, "Internal error: " },
        { "oops", "KernelOops", KERNEL_BROKEN, "general protection fault", { " [#" } },
        { "oops", "KernelOops", KERNEL_BROKEN, "divide error: ", { " [#" } },
        { "oops", "KernelOops", KERNEL_BROKEN, "invalid opcode: ", { " [#" } },
        /* lib/bug.c report_bug, and bad_page, list corruption and the like */
        { "bug", "KernelBug", KERNEL_BROKEN, "kernel BUG at " },
        { "bug", "KernelBug", KERNEL_BROKEN, "BUG: Bad page " },
        /* drivers/firmware/efi/cper.c */
        { "hardware-error-fatal",
          "HardwareErrorFatal",
          KERNEL_BROKEN,
          NULL,
          { "[Hardware Error]: event severity: fatal" } },
        { "hardware-error", "HardwareError", KERNEL_NOTE, NULL, { "[Hardware Error]: " } },
        { "memory-error", "MemoryError", KERNEL_NOTE, "EDAC MC", { ": ", " UE " } },
        /* kernel/watchdog.c, kernel/rcu/tree_stall.h, kernel/hung_task.c */
        { "soft-lockup", "SoftLockup", KERNEL_LOCKUP, NULL, { "BUG: soft lockup - CPU#" } },
        { "hard-lockup", "HardLockup", KERNEL_LOCKUP, NULL, { "atchdog detected hard LOCKUP" } },
        { "rcu-stall", "RCUStall", KERNEL_LOCKUP, "rcu: INFO: rcu_", { " stall" } },
        { "hung-task", "TaskHung", KERNEL_HUNG, "INFO: task ", { " blocked for more than " } },
        /* fs/ext4/super.c __ext4_error, fs/xfs/xfs_fsops.c xfs_do_force_shutdown, fs/btrfs/messages.c */
        { "ext4-error", "Ext4Error", KERNEL_DAMAGE, "EXT4-fs error (device ", .device = "(device " },
        { "xfs-shutdown",
          "XfsShutdown",
          KERNEL_DAMAGE,
          "XFS (",
          { "): ", "hutting down filesystem" },
          "XFS (" },
        { "xfs-shutdown",
          "XfsShutdown",
          KERNEL_DAMAGE,
          "XFS (",
          { "): ", "ilesystem has been shut down" },
          "XFS (" },
        { "xfs-error", "XfsError", KERNEL_DAMAGE, "XFS (", { "): Metadata corruption detected" }, "XFS (" },
        { "xfs-error", "XfsError", KERNEL_DAMAGE, "XFS (", { "): Internal error " }, "XFS (" },
        { "btrfs-error", "BtrfsError", KERNEL_DAMAGE, "BTRFS error (device ", .device = "(device " },
        /* block/blk-mq.c (5.15: blk-core.c) blk_print_req_error, fs/buffer.c buffer_io_error */
        { "io-error", "IOError", KERNEL_IO, NULL, { " error, dev " }, " error, dev " },
        { "io-error", "IOError", KERNEL_IO, "Buffer I/O error on dev ", .device = "on dev " },
        /* net/netfilter/nf_conntrack_core.c, net/core/dev.c, kernel/cgroup/pids.c, mm/page_alloc.c */
        { "conntrack-full",
          "ConntrackFull",
          KERNEL_NOTE,
          "nf_conntrack: ",
          { "table full, dropping packet" } },
        { "net-device-stuck", "NetDeviceStuck", KERNEL_NOTE, "unregister_netdevice: waiting for " },
        { "fork-rejected", "ForkRejected", KERNEL_NOTE, "cgroup: fork rejected by pids controller" },
        { "allocation-failure",
          "AllocationFailure",
          KERNEL_NOTE,
          NULL,
          { ": page allocation failure: order:" } },
        /* mm/oom_kill.c __oom_kill_process */
        { "oom-kill", "OOMKilled", KERNEL_OOM, NULL, { "ut of memory: Killed process " } },
};
const size_t n_kernel_rules = ELEMENTS(kernel_rules);
_Static_assert(ELEMENTS(kernel_rules) <= KERNEL_RULES_MAX, "a state for each row");

/* What hangs with these hangs the node: its services, and the kernel's own writers of file systems. */
static const char *const needed_tasks[] = {
        "systemd", "kubelet",        "containerd", "containerd-shim", "runc",
        "etcd",    "kube-apiserver", "jbd2/",      "xfsaild/",
};

static bool fits(const struct kernel_rule *rule, const char *text)
{
        if (rule->start) {
                size_t length = strlen(rule->start);

                if (strncmp(text, rule->start, length) != 0)
                        return false;
                text += length;
        }
        for (size_t i = 0; i < ELEMENTS(rule->contains) && rule->contains[i]; i++) {
                text = strstr(text, rule->contains[i]);
                if (!text)
                        return false;
                text += strlen(rule->contains[i]);
        }
        return true;
}

const struct kernel_rule *kernel_rule_find(const char *text)
{
        for (size_t i = 0; i < n_kernel_rules; i++)
                if (fits(&kernel_rules[i], text))
                        return &kernel_rules[i];
        return NULL;
}

size_t kernel_rule_index(const char *name)
{
        size_t i = 0;

        while (i < n_kernel_rules && strcmp(kernel_rules[i].name, name) != 0)
                i++;
        return i;
}

size_t kernel_rule_device(const struct kernel_rule *rule, const char *text, const char **ret_device)
{
        const char *at;

        if (!rule->device)
                return 0;
        at = strstr(text, rule->device);
        if (!at)
                return 0;
        at += strlen(rule->device);
        *ret_device = at;
        return strcspn(at, "):, ");
}

bool kernel_task_is_needed(const char *text)
{
        static const char start[] = "INFO: task ";

        if (strncmp(text, start, sizeof(start) - 1) != 0)
                return false;
        text += sizeof(start) - 1;
        for (size_t i = 0; i < ELEMENTS(needed_tasks); i++) {
                size_t length = strlen(needed_tasks[i]);

                if (strncmp(text, needed_tasks[i], length) == 0 &&
                    (text[length] == ':' || needed_tasks[i][length - 1] == '/'))
                        return true;
        }
        return false;
}
