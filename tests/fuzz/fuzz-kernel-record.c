/* SPDX-License-Identifier: Apache-2.0 */

/* Any bytes as what /dev/kmsg gives: records are counted, and what is kept of them is printable. */

#include "fuzz.h"

#include "kernel-log.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static struct kernel_log log;

        if (size > KERNEL_RECORD_MAX)
                return 0;
        log = (struct kernel_log){ .fd = -EBADF, .n_devices = 1 };
        (void)snprintf(log.devices[0], sizeof(log.devices[0]), "vda");
        memcpy(log.buffer, data, size);
        log.buffer[size] = '\0';
        take_text(&log, log.buffer);
        PROMISE(log.malformed + log.foreign <= log.records);
        for (size_t i = 0; i < n_kernel_rules; i++) {
                promise_one_line(log.found[i].last);
                promise_one_line(log.found[i].serious);
                PROMISE(log.found[i].serious_count <= log.found[i].count);
        }
        return 0;
}
