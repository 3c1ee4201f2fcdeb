/* SPDX-License-Identifier: Apache-2.0 */

#include "topology.h"

#include <string.h>

#include "api.h"
#include "files.h"
#include "json-file.h"
#include "node.h"
#include "text.h"

/* What cloud-init learned from the cloud's metadata (cloud-init docs: explanation/instance-data.html). */
#define INSTANCE_DATA     "/run/cloud-init/instance-data.json"
#define INSTANCE_DATA_MAX (4 * 1024 * 1024)

static const struct {
        const char *label, *key; /* of the Node, and of instance-data's "v1" */
} rows[] = {
        { "topology.kubernetes.io/zone", "availability_zone" },
        { "topology.kubernetes.io/region", "region" },
};

static json_object *read_metadata(const char *root, json_object **ret_file)
{
        _cleanup_free_ char *path = path_under(root, INSTANCE_DATA);

        if (!path || json_load(path, INSTANCE_DATA_MAX, ret_file) < 0)
                return NULL;
        return json_member(*ret_file, "v1", json_type_object);
}

/* labels and metadata may be NULL. */
static void judge(json_object *labels, json_object *metadata, struct check_result *ret)
{
        char missing[200] = "", wrong[300] = "";

        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                const char *label = labels ? json_string(labels, rows[i].label) : NULL;
                const char *real = metadata ? json_string(metadata, rows[i].key) : NULL;

                if (!label)
                        text_append(missing, sizeof(missing), "%s%s", missing[0] ? ", " : "", rows[i].label);
                else if (real && strcmp(label, real) != 0)
                        text_append(wrong, sizeof(wrong), "%s%s is %.60s, the metadata says %.60s",
                                    wrong[0] ? ", " : "", rows[i].label, label, real);
        }
        if (wrong[0])
                check_result_set(ret, CHECK_WARN, "TopologyLabelsWrong",
                                 "the Node's label %s; the cloud controller manager sets them", wrong);
        else if (missing[0])
                check_result_set(ret, CHECK_WARN, "TopologyLabelsMissing",
                                 "the Node has no label %s; the cloud controller manager sets them", missing);
        else
                check_result_set(ret, CHECK_OK, "TopologyLabelsPresent", "the Node has its zone and region");
}

static void on_node(struct http_transfer *transfer, int error, void *userdata)
{
        struct check_run *run = userdata;
        _cleanup_json_ json_object *object = api_take_object(run, transfer, error), *file = NULL;
        struct check_result result;
        json_object *metadata;

        if (!object)
                return;
        metadata = json_member(object, "metadata", json_type_object);
        judge(metadata ? json_member(metadata, "labels", json_type_object) : NULL,
              read_metadata(run->node->root, &file), &result);
        check_finish(run, &result);
}

int topology_start(struct check_run *run)
{
        return api_start_node(run, on_node);
}
