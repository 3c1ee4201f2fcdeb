# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# A node that boots: made with mmdebstrap, run by systemd-nspawn in a network of its own, with a management side to ask
# it from. Sourced by try-node and by the node tests, as root, under `set -euo pipefail`.
#
#   bed_open                           scratch directory; the trap that takes everything away again
#   node_base SUITE MIRROR             the root file system without our package, made once and cached: sets NODE_BASE
#   node_make DEB...                   unpacks it and installs the packages as an image build would: no PID 1, no D-Bus
#   node_boot                          networks, then systemd as PID 1: sets NODE_PID
#   node_reboot                        shuts it down and boots it again
#   node_run COMMAND...                runs a command inside
#   node_cloud_init SECONDS            until cloud-init has done all of its work
#   management_run COMMAND...          runs a command on the management side of the veth
#   node_stop, bed_close               the opposites
#
# The host's own interfaces are not touched: both ends of the veth are made in namespaces of ours.

NODE_NAME=cp-0
NODE_ADDRESS=10.99.0.10
MANAGEMENT_ADDRESS=10.99.0.1
NODE_CACHE=${CAPI_NODE_CACHE:-/var/cache/capi-node-agent}

# What a Cluster API image has and what the bed needs inside; etcd stands in for kubeadm's static pod. The libraries are
# the package's dependencies, so that it installs without a network.
NODE_PACKAGES=(systemd systemd-sysv dbus cloud-init containerd etcd-server etcd-client openssl iproute2 iptables conntrack
               socat ethtool ebtables kmod procps ca-certificates curl jq libcurl4 libjson-c5 libssl3 libyaml-0-2 libzstd1 passwd)

bed_die() {
        echo "${0##*/}: $*" >&2
        exit 1
}

# bed_require COMMAND=PACKAGE...: installs the packages whose command is missing.
bed_require() {
        local pair missing=()
        for pair; do
                command -v "${pair%%=*}" >/dev/null || missing+=("${pair#*=}")
        done
        ((${#missing[@]} == 0)) && return
        apt-get -qq -o Acquire::Retries=5 update
        DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o Acquire::Retries=5 --no-install-recommends install "${missing[@]}" >/dev/null
}

bed_open() {
        BED=$(mktemp -d "${TMPDIR:-/var/tmp}/capi-node.XXXXXX")
        NODE_ROOT=$BED/root
        NODE_PID=
        NODE_NSPAWN=
        # Names of namespaces and cgroups are global, and several beds may be open.
        NODE_INSTANCE=cn-${BED##*.}
        # shellcheck disable=SC2064 # who opens the bed may have more to take away
        trap "${BED_ON_EXIT:-bed_close}" EXIT
        trap 'exit 130' INT TERM
}

# bed_save, bed_load DIRECTORY: another process goes on with an open bed.
bed_save() {
        declare -p BED NODE_ROOT NODE_PID NODE_NSPAWN NODE_INSTANCE >"$BED/bed"
}

bed_load() {
        # shellcheck source=/dev/null
        . <(sed 's/^declare --/declare -g --/' "$1/bed")
}

# bed_refresh: what a test in a process of its own has changed.
bed_refresh() {
        [[ ! -e $BED/bed ]] || bed_load "$BED"
}

bed_close() {
        # What serves the node on the management side.
        [[ ! -e $BED/registry.pid ]] || kill "$(<"$BED/registry.pid")" 2>/dev/null || true
        bed_refresh
        local deadline=$((SECONDS + 60))
        node_stop || true
        # What was killed may still be on its way out.
        until rm -rf --one-file-system "$BED"; do
                ((SECONDS < deadline)) || return 0
                sleep 1
        done
}

# The mirror that apt uses for this suite.
node_mirror() {
        # shellcheck disable=SC2016 # apt's own variables
        apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(COMPONENT)' 'Created-By: Packages' |
                awk -v suite="$1" '$2 == suite && $3 == "main" && !n++ { print $1 }'
}

node_base() {
        local suite=$1 mirror=$2 components=main key
        case $suite in
        jammy | noble) components="main universe" ;;
        esac
        key=$(echo "$suite $components ${NODE_PACKAGES[*]}" | sha256sum | cut -c 1-12)
        NODE_BASE=$NODE_CACHE/node-$suite-$key.tar
        [[ -e $NODE_BASE ]] && return

        [[ $mirror ]] || mirror=$(node_mirror "$suite")
        [[ $mirror ]] || bed_die "apt knows no mirror for $suite (say --mirror URL)"
        mkdir -p "$NODE_CACHE"
        mmdebstrap --quiet --mode=root --aptopt='Acquire::Retries "5"' --format=tar --variant=minbase \
                --include="$(IFS=,; echo "${NODE_PACKAGES[*]}")" \
                "$suite" "$NODE_BASE.new" "deb $mirror $suite $components" 2>"$BED/mmdebstrap.log" ||
                { tail -n 20 "$BED/mmdebstrap.log" >&2; bed_die "cannot make the root file system of $suite"; }
        mv "$NODE_BASE.new" "$NODE_BASE"
}

node_make() {
        mkdir "$NODE_ROOT"
        tar -C "$NODE_ROOT" -xf "$NODE_BASE"
        node_prepare
        printf '#!/bin/sh\nexit 101\n' >"$NODE_ROOT/usr/sbin/policy-rc.d"
        chmod 0755 "$NODE_ROOT/usr/sbin/policy-rc.d"
        node_install "$@"
        rm "$NODE_ROOT/usr/sbin/policy-rc.d"
}

# What makes a root file system a node of this bed, and one of Cluster API's.
node_prepare() {
        echo "$NODE_NAME" >"$NODE_ROOT/etc/hostname"
        printf '127.0.0.1 localhost\n::1 localhost\n%s %s\n' "$NODE_ADDRESS" "$NODE_NAME" >"$NODE_ROOT/etc/hosts"
        # Debian's own etcd service would take the ports of the control plane's.
        ln -sf /dev/null "$NODE_ROOT/etc/systemd/system/etcd.service"
        # Modules that ask for a locale package or a network that this node does not have.
        printf 'network: {config: disabled}\nlocale: false\nssh_deletekeys: false\nssh_genkeytypes: []\ndatasource_list: [NoCloud]\n' \
                >"$NODE_ROOT/etc/cloud/cloud.cfg.d/90-node-bed.cfg"

        # As Cluster API's image builder orders cloud-init; this is what makes a careless order a cycle.
        local service
        for service in cloud-config cloud-final; do
                mkdir -p "$NODE_ROOT/etc/systemd/system/$service.service.d"
                printf '[Unit]\nAfter=containerd.service\nWants=containerd.service\n' \
                        >"$NODE_ROOT/etc/systemd/system/$service.service.d/boot-order.conf"
        done
}

# In a bare chroot, as image builds do it: no /proc, no D-Bus, no network.
node_install() {
        local deb
        for deb; do
                cp "$deb" "$NODE_ROOT/tmp/"
                chroot "$NODE_ROOT" dpkg --install "/tmp/${deb##*/}" >"$BED/dpkg.log" 2>&1 ||
                        { cat "$BED/dpkg.log" >&2; bed_die "cannot install ${deb##*/}"; }
                rm "$NODE_ROOT/tmp/${deb##*/}"
        done
}

node_network() {
        local node=$NODE_INSTANCE management=$NODE_INSTANCE-management
        ip netns add "$node"
        ip netns add "$management"
        ip link add eth0 netns "$node" type veth peer name eth0 netns "$management"
        ip -n "$node" link set lo up
        ip -n "$node" address add "$NODE_ADDRESS/24" dev eth0
        ip -n "$node" link set eth0 up
        ip -n "$node" route add default via "$MANAGEMENT_ADDRESS"
        ip -n "$management" link set lo up
        ip -n "$management" address add "$MANAGEMENT_ADDRESS/24" dev eth0
        ip -n "$management" link set eth0 up
}

# The cgroup hierarchies that systemd keeps; on a machine without systemd as PID 1 each bed gets a group of its own there.
node_cgroups() {
        local hierarchy
        for hierarchy in /sys/fs/cgroup/systemd /sys/fs/cgroup/unified /sys/fs/cgroup; do
                [[ -e $hierarchy/cgroup.procs ]] && echo "$hierarchy/$NODE_INSTANCE"
        done
        return 0
}

node_boot() {
        node_network
        node_start
}

node_reboot() {
        local deadline=$((SECONDS + 180))
        node_run systemctl poweroff
        while kill -0 "$NODE_NSPAWN" 2>/dev/null; do
                ((SECONDS < deadline)) || bed_die "the node does not shut down"
                sleep 0.1
        done
        node_start
        bed_save
}

node_start() {
        local options=(--quiet --directory="$NODE_ROOT" --machine="$NODE_INSTANCE" --register=no --console=pipe
                       --network-namespace-path="/run/netns/$NODE_INSTANCE" --capability=all --hostname="$NODE_NAME"
                       --system-call-filter="@keyring bpf" "${NODE_NSPAWN_OPTIONS[@]}")

        (
                if [[ ! -d /run/systemd/system ]]; then
                        options+=(--keep-unit)
                        while read -r group; do
                                mkdir -p "$group"
                                echo "$BASHPID" >"$group/cgroup.procs"
                        done < <(node_cgroups)
                fi
                # nspawn covers the kernel's boot id by one of its own, but a unit with ProtectProc= has a fresh /proc and sees
                # the kernel's. On a machine there is one, so take the cover away before systemd looks.
                exec setsid systemd-nspawn "${options[@]}" \
                        sh -c 'umount /proc/sys/kernel/random/boot_id && exec /lib/systemd/systemd'
        ) >"$BED/console.log" 2>&1 </dev/null &
        NODE_NSPAWN=$!
        disown

        # systemd answers when its private socket is there.
        local deadline=$((SECONDS + 120))
        until NODE_PID=$(pgrep -P "$NODE_NSPAWN" -x systemd) && node_run test -S /run/systemd/private 2>/dev/null; do
                if ! kill -0 "$NODE_NSPAWN" 2>/dev/null || ((SECONDS >= deadline)); then
                        tail -n 20 "$BED/console.log" >&2
                        bed_die "the node does not boot"
                fi
                sleep 0.1
        done
}
NODE_NSPAWN_OPTIONS=()

node_run() {
        nsenter --target "$NODE_PID" --mount --uts --ipc --net --pid env --ignore-environment --chdir=/ HOME=/root \
                PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin TERM="${TERM:-dumb}" "$@"
}

# node_cloud_init SECONDS: until cloud-init has done all of it.
node_cloud_init() {
        local status=0
        node_run timeout "$1" cloud-init status --wait >/dev/null || status=$?
        # 2: done, with warnings (cloud-init 23.4 and later).
        ((status == 0 || status == 2)) && return
        node_run tail -n 40 /var/log/cloud-init-output.log >&2
        bed_die "cloud-init has not done its work"
}

management_run() {
        ip netns exec "$NODE_INSTANCE-management" "$@"
}

# At once: the node is thrown away, and a shutdown would wait for each container of its kubelet.
node_stop() {
        local deadline=$((SECONDS + 20)) group namespace
        if [[ $NODE_NSPAWN ]]; then
                kill -KILL "${NODE_PID:-$NODE_NSPAWN}" 2>/dev/null || true
                while kill -0 "$NODE_NSPAWN" 2>/dev/null && ((SECONDS < deadline)); do
                        sleep 0.1
                done
                kill -KILL "$NODE_NSPAWN" 2>/dev/null || true
        fi
        NODE_NSPAWN='' NODE_PID=''
        for namespace in "$NODE_INSTANCE" "$NODE_INSTANCE-management"; do
                [[ ! -e /run/netns/$namespace ]] || ip netns delete "$namespace"
        done
        # Groups go when their last process has. The kubelet's lie in the host's hierarchies; those that hold a process stay.
        while read -r group; do
                while [[ -d $group ]] && ((SECONDS < deadline)); do
                        find "$group" -depth -type d -exec rmdir {} + 2>/dev/null || sleep 0.1
                done
        done < <(node_cgroups)
        find /sys/fs/cgroup -depth -type d -path '*/kubepods*' -exec rmdir {} + 2>/dev/null || true
}
