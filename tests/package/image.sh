# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Node images as image-builder makes them, from a Debian root file system and without a virtual machine. Sourced after package.sh.
#
#   image_root                  a root file system like a Cluster API image's before containerd and kubelet are installed
#   image_run COMMAND...        in it, as a build in a chroot does: /proc and a /dev, no PID 1, no D-Bus
#   image_role VARIABLES.json   runs the role that Packer's variable file names, as image-builder's ansible/node.yml does
#   image_containerd            containerd where image-builder puts it: from a tarball, after everything else
#   image_goss                  goss with our checks among image-builder's
#   image_sysprep               what image-builder's sysprep role leaves of an image

# An overlay over the cached root, so that each image is made at once and costs what is changed in it.
image_root() {
        node_base bookworm ''
        if [[ ! -d ${NODE_TEST_BASE:=$BED/base} ]]; then
                mkdir "$NODE_TEST_BASE.new"
                tar -C "$NODE_TEST_BASE.new" -xf "$NODE_BASE"
                mv "$NODE_TEST_BASE.new" "$NODE_TEST_BASE"
        fi
        mkdir -p "$BED/upper" "$BED/work" "$NODE_ROOT"
        mount -t overlay overlay -o "lowerdir=$NODE_TEST_BASE,upperdir=$BED/upper,workdir=$BED/work" "$NODE_ROOT"
        node_prepare
        mkdir "$BED/containerd"
        mv "$NODE_ROOT"/usr/bin/{containerd,containerd-shim*,ctr} "$NODE_ROOT/usr/sbin/runc" "$NODE_ROOT/lib/systemd/system/containerd.service" \
                "$BED/containerd/"
        rm "$NODE_ROOT/etc/systemd/system/multi-user.target.wants/containerd.service"
        printf '#!/bin/sh\nexit 101\n' >"$NODE_ROOT/usr/sbin/policy-rc.d"
        chmod 0755 "$NODE_ROOT/usr/sbin/policy-rc.d"
}

# Mounts of its own, which go with it. Not this machine's /dev: as root, a tool that is told to write to /dev/null may change its mode.
image_run() {
        unshare --mount sh -ec '
                mount -t proc proc "$0/proc"
                mount -t tmpfs -o mode=0755 tmpfs "$0/dev"
                while read -r name minor; do mknod -m 0666 "$0/dev/$name" c 1 "$minor"; done <<DEVICES
null 3
zero 5
full 7
random 8
urandom 9
DEVICES
                mkdir "$0/dev/pts" "$0/dev/shm"
                mount -t devpts -o newinstance,ptmxmode=0666 devpts "$0/dev/pts"
                ln -s pts/ptmx "$0/dev/ptmx"
                ln -s /proc/self/fd "$0/dev/fd"
                for bind in $IMAGE_BINDS; do mount --bind "${bind%%:*}" "$0${bind#*:}"; done
                exec chroot "$@"
        ' "$NODE_ROOT" "$NODE_ROOT" env --ignore-environment HOME=/root LC_ALL=C.UTF-8 \
                PATH="${IMAGE_PATH-/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin}" "$@"
}
export IMAGE_BINDS=

# Ansible runs inside, with this machine's Ansible (the same Debian): images have a Python, but no Ansible.
image_role() {
        local file=$1 roles variables
        roles=$(jq --raw-output .node_custom_roles_post "$file") variables=$(jq --raw-output .ansible_user_vars "$file")
        # shellcheck disable=SC2016 # Packer's own syntax
        local here='{{user `capi_node_agent`}}'
        mkdir -p "$NODE_ROOT/run/source" "$NODE_ROOT/run/python"
        printf '%s\n' '- hosts: all' '  tasks:' '  - include_role: { name: "{{ item }}" }' '    loop: "{{ node_custom_roles_post.split() }}"' \
                >"$NODE_ROOT/run/node.yml"
        IMAGE_BINDS="$BED/source:/run/source /usr/lib/python3/dist-packages:/run/python" \
                image_run env PYTHONPATH=/run/python ANSIBLE_LOCALHOST_WARNING=false \
                python3 -m ansible playbook --connection local --inventory localhost, /run/node.yml \
                --extra-vars "node_custom_roles_post=\"${roles//"$here"//run/source}\"" --extra-vars "${variables//"$here"//run/source}"
}

# image-builder unpacks containerd's tarball below /usr/local and has its unit in /etc or /usr/local/lib.
image_containerd() {
        mkdir -p "$NODE_ROOT/usr/local/bin" "$NODE_ROOT/etc/systemd/system/multi-user.target.wants"
        mv "$BED"/containerd/[!.]* "$NODE_ROOT/usr/local/bin/"
        sed 's@/usr/bin/@/usr/local/bin/@' "$NODE_ROOT/usr/local/bin/containerd.service" >"$NODE_ROOT/etc/systemd/system/containerd.service"
        rm "$NODE_ROOT/usr/local/bin/containerd.service"
        ln -sf ../containerd.service "$NODE_ROOT/etc/systemd/system/multi-user.target.wants/"
}

image_goss() {
        local goss status=0
        goss=$("$TREE/tests/chroot" trixie goss)/usr/bin/goss
        mkdir -p "$NODE_ROOT/run/goss"
        cp "$goss" "$TREE/image-builder/goss/goss-capi-node-agent.yaml" "$NODE_ROOT/run/goss/"
        # image-builder's own file, and the line that README.md says to add.
        printf 'gossfile:\n  goss-common.yaml: {}\n' >"$NODE_ROOT/run/goss/goss.yaml"
        printf 'command:\n  test -e /etc/passwd:\n    exit-status: 0\n' >"$NODE_ROOT/run/goss/goss-common.yaml"
        sed -i 's/^gossfile:$/&\n  goss-capi-node-agent.yaml: {}/' "$NODE_ROOT/run/goss/goss.yaml"
        image_run /run/goss/goss --gossfile /run/goss/goss.yaml validate --no-color --format documentation || status=$?
        rm -r "$NODE_ROOT/run/goss"
        return "$status"
}

# kubernetes-sigs/image-builder, images/capi/ansible/roles/sysprep/tasks/{main,debian}.yml
image_sysprep() {
        image_run sh -c "
                dpkg-query -W -f '\${binary:Package}\n' | xargs apt-mark hold >/dev/null
                rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*.deb
                : >/etc/machine-id
                echo localhost.local >/etc/hostname
                printf '127.0.0.1 localhost localhost.local\n::1 localhost\n' >/etc/hosts
                : >/var/log/wtmp
                : >/var/log/lastlog
                rm -rf /var/lib/cloud /var/log/cloud-init* /run/cloud-init
                find /tmp /var/tmp -mindepth 1 -delete
                rm -f /etc/ssh/ssh_host_* /root/.ssh/authorized_keys /root/.bash_history
                find /var/log -type f -name '*.log' -exec truncate --size 0 {} +
                find /var/log -type f -name '*[0-9z]' -delete
                cloud-init clean --logs
                rm -f /etc/netplan/*
        "
        rm "$NODE_ROOT/usr/sbin/policy-rc.d"
        find "$NODE_ROOT/run" -mindepth 1 -delete
}

# image_repository DEB FILE: image-builder's extra_repos, an apt source in a file of ours; public ones are off, as with disable_public_repos.
image_repository() {
        mkdir -p "$NODE_ROOT/srv/repository"
        cp "$1" "$NODE_ROOT/srv/repository/"
        (cd "$NODE_ROOT/srv/repository" && apt-ftparchive packages . >Packages)
        rm -f "$NODE_ROOT"/etc/apt/sources.list "$NODE_ROOT"/etc/apt/sources.list.d/*
        echo 'deb [trusted=yes] file:/srv/repository ./' >"$NODE_ROOT/etc/apt/sources.list.d/$(basename "$2")"
        image_run apt-get -qq update
}

# image_element PHASE...: runs an element's hooks as diskimage-builder's dib-run-parts does, extra-data.d outside, the others inside.
image_element() {
        local element=$TREE/image-builder/diskimage-builder/elements/capi-node-agent phase hook
        for phase; do
                for hook in "$element/$phase"/[0-9]*; do
                        if [[ $phase == extra-data.d ]]; then
                                TMP_HOOKS_PATH=$NODE_ROOT/tmp/in_target.d "$hook"
                        else
                                install -D "$hook" "$NODE_ROOT/tmp/in_target.d/$phase/${hook##*/}"
                                image_run "/tmp/in_target.d/$phase/${hook##*/}"
                        fi
                done
        done
}
