/* SPDX-License-Identifier: Apache-2.0 */

#include "control-plane.h"

#include <string.h>

#include "copies.h"
#include "files.h"
#include "json-file.h"
#include "timestamp.h"

#define FILE_NAME     "control-plane.json"
#define FILE_SIZE_MAX 4096

static const char *const role_names[] = {
        [ROLE_WAITING] = "Waiting",
        [ROLE_WORKER] = "Worker",
        [ROLE_CONTROL_PLANE] = "ControlPlane",
};

static int role_parse(const char *name, enum node_role *ret)
{
        for (size_t i = 0; name && i < ELEMENTS(role_names); i++)
                if (strcmp(name, role_names[i]) == 0) {
                        *ret = (enum node_role)i;
                        return 0;
                }
        return -EINVAL;
}

static int load(const char *path, struct control_plane *ret)
{
        _cleanup_json_ json_object *object = NULL;
        struct control_plane control_plane = {};
        int r;

        r = json_load(path, FILE_SIZE_MAX, &object);
        if (r < 0)
                return r;
        r = role_parse(json_string(object, "role"), &control_plane.role);
        if (r < 0)
                return r;
        r = moment_read(object, "since", &control_plane.since);
        if (r < 0)
                return r;
        r = moment_read(object, "boot", &control_plane.boot);
        if (r < 0)
                return r;

        *ret = control_plane;
        return 0;
}

static int save(const char *path, const struct control_plane *control_plane)
{
        _cleanup_json_ json_object *object = json_object_new_object();
        int r;

        if (!object)
                return -ENOMEM;
        r = json_set_string(object, "role", role_names[control_plane->role]);
        if (r < 0)
                return r;
        r = moment_write(&control_plane->since, object, "since");
        if (r < 0)
                return r;
        r = moment_write(&control_plane->boot, object, "boot");
        if (r < 0)
                return r;
        return json_save(path, object);
}

static int look(const char *root, enum node_role *ret)
{
        _cleanup_free_ char *manifest = path_under(root, ETCD_MANIFEST_PATH),
                            *kubelet = path_under(root, KUBELET_CONF_PATH);

        if (!manifest || !kubelet)
                return -ENOMEM;
        *ret = access(manifest, F_OK) == 0  ? ROLE_CONTROL_PLANE
               : access(kubelet, F_OK) == 0 ? ROLE_WORKER
                                            : ROLE_WAITING;
        return 0;
}

int control_plane_look(const char *root, const char *state_dir, struct control_plane *ret)
{
        _cleanup_free_ char *path = copy_path(state_dir, FILE_NAME, "");
        struct control_plane control_plane = {};
        enum node_role role;
        bool changed;
        int r;

        if (!path)
                return -ENOMEM;
        r = look(root, &role);
        if (r < 0)
                return r;

        changed = load(path, &control_plane) < 0;
        if (changed || (role != control_plane.role && control_plane.role != ROLE_CONTROL_PLANE)) {
                changed = true;
                control_plane.role = role;
                moment_now(&control_plane.since);
        }
        if (strcmp(control_plane.boot.boot_id, boot_id()) != 0) {
                changed = true;
                moment_now(&control_plane.boot);
        }
        if (changed) {
                r = save(path, &control_plane);
                if (r < 0)
                        return r;
        }

        *ret = control_plane;
        return 0;
}

int control_plane_forget(const char *state_dir)
{
        _cleanup_free_ char *path = copy_path(state_dir, FILE_NAME, "");

        if (!path)
                return -ENOMEM;
        return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}
