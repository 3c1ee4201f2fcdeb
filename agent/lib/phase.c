/* SPDX-License-Identifier: Apache-2.0 */

#include "phase.h"

#include <stdio.h>
#include <string.h>

#include "files.h"

int phase_node_id(const char *root, char ret_id[static NODE_ID_SIZE])
{
        _cleanup_free_ char *path = path_under(root, "/etc/machine-id"), *text = NULL;
        size_t length;

        if (!path)
                return -ENOMEM;
        if (file_read(path, 4096, &text, &length) >= 0 && length > 0)
                (void)snprintf(ret_id, NODE_ID_SIZE, "%s", text);
        else if (gethostname(ret_id, NODE_ID_SIZE) < 0)
                return -errno;
        return 0;
}

/* FNV-1a with the last step of MurmurHash3, because FNV alone changes the high bits too little for names that
 * differ only at their end. Neither secret nor hostile input: only the spread matters. */
static uint64_t hash_text(uint64_t hash, const char *text)
{
        for (; *text; text++)
                hash = (hash ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
        return hash;
}

uint64_t phase_of(const char *node_id, const char *thing, uint64_t interval_usec)
{
        uint64_t hash = hash_text(UINT64_C(0xcbf29ce484222325), node_id);

        hash = hash_text(hash ^ '/', thing);
        hash = (hash ^ (hash >> 33)) * UINT64_C(0xff51afd7ed558ccd);
        hash = (hash ^ (hash >> 33)) * UINT64_C(0xc4ceb9fe1a85ec53);
        hash ^= hash >> 33;
        return hash % interval_usec;
}

uint64_t phase_next(uint64_t phase_usec, uint64_t interval_usec, uint64_t now_usec)
{
        uint64_t earliest = now_usec + interval_usec / 2;
        uint64_t rest = (earliest + interval_usec - phase_usec) % interval_usec;

        return rest == 0 ? earliest : earliest + interval_usec - rest;
}
