/* SPDX-License-Identifier: Apache-2.0 */

/* Any bytes as etcd's answers: its status, and its member list, which a list of the form is again when it was
 * written and read. The first byte says which. */

#include "../../plugins/etcd-backup/etcd.c"
#include "fuzz.h"

static void check_members(const uint8_t *data, size_t size)
{
        _cleanup_json_ json_object *object = json_object_new_object();
        _cleanup_member_list_ list = {}, again = {};

        if (etcd_members_parse(data, size, &list) < 0)
                return;
        PROMISE(list.count <= MEMBERS_MAX);
        PROMISE(object && member_list_write(&list, object) == 0);
        PROMISE(member_list_read(object, &again) == 0);
        PROMISE(again.count == list.count && again.cluster_id == list.cluster_id);
        for (size_t i = 0; i < list.count; i++)
                PROMISE(again.items[i].id == list.items[i].id &&
                        strcmp(again.items[i].name, list.items[i].name) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct etcd_status status;

        if (size == 0)
                return 0;
        if (data[0] & 1)
                check_members(data + 1, size - 1);
        else if (etcd_status_parse(data + 1, size - 1, &status) == 0)
                PROMISE(memchr(status.version, '\0', sizeof(status.version)));
        return 0;
}
