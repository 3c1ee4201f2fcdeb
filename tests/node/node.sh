# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What a node test is made of. A test script says which node it wants (`# node: KIND`), sources this, has one function for
# each promise, and ends with run_tests. It can be run by itself; tests/node/run lets scripts of one kind share a node.
#
#   configured   booted with the agent's configuration from cloud-init, an etcd with data, and a first backup
#   unconfigured booted with the package and nothing else
#   mirrored     booted with custom-ca, proxy and registry-mirror; runcmd pulls an image
#   kubeadm      as configured, with a real kubelet and control plane

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../../image-builder/node-bed.sh"
. "$(dirname "${BASH_SOURCE[0]}")/../../image-builder/node-seed.sh"
. "$(dirname "${BASH_SOURCE[0]}")/../../image-builder/registry-seed.sh"
. "$(dirname "${BASH_SOURCE[0]}")/../../image-builder/kubeadm-seed.sh"

# Every two hours, and the next time in one: no snapshot but those of the tests is taken while they run, at whatever time of day.
SEED_SCHEDULE=$(date -u -d '+1 hour' '+%H %M' | { read -r hour minute; printf '*-*-* %02d/2:%s:00' $((10#$hour % 2)) "$minute"; })

test_kind() {
        sed -n 's/^# node: //p' "$1"
}

test_requirements() {
        bed_require mmdebstrap=mmdebstrap systemd-nspawn=systemd-container ip=iproute2 openssl=openssl curl=curl jq=jq \
                zstd=zstd etcdctl=etcd-client dpkg-buildpackage=dpkg-dev dh=debhelper meson=meson gcc=gcc
}

# test_node KIND: boots one; false when it does not come up.
test_node() {
        bed_open
        [[ $1 != kubeadm ]] || kubeadm_base
        node_base bookworm ''
        node_make "$CAPI_NODE_DEB"
        case $1 in
        configured) seed_control_plane ;;
        mirrored) mirrored_seed ;;
        kubeadm) kubeadm_seed ;;
        esac
        seed_write
        node_boot
        case $1 in
        mirrored) registry_serve "$BED/registry" ;;
        kubeadm) registry_serve "$KUBERNETES_REGISTRY" ;;
        esac
        node_cloud_init 600
        [[ $1 == unconfigured || $1 == mirrored ]] || node_run systemctl start capi-node-etcd-snapshot.service
}

mirrored_seed() {
        mkdir -p "$BED/layer"
        echo hello >"$BED/layer/hello"
        tar -C "$BED/layer" -cf "$BED/layer.tar" .
        jq -n --arg layer "sha256:$(sha256sum "$BED/layer.tar" | cut -d ' ' -f 1)" --arg architecture "$(dpkg --print-architecture)" \
                '{ architecture: $architecture, os: "linux", config: {}, rootfs: { type: "layers", diff_ids: [$layer] } }' >"$BED/config.json"
        registry_image "$BED/registry" mirrored runcmd "$BED/config.json" "$BED/layer.tar"
        registry_seed registry.invalid
        seed_command 'ctr -n k8s.io images pull --hosts-dir /etc/containerd/certs.d registry.invalid/mirrored:runcmd'
        # As Cluster API's image builder has it.
        mkdir -p "$NODE_ROOT/etc/containerd/conf.d"
        cat >"$NODE_ROOT/etc/containerd/config.toml" <<'TOML'
version = 2
imports = ["/etc/containerd/conf.d/*.toml"]
[plugins."io.containerd.grpc.v1.cri".registry]
  config_path = "/etc/containerd/certs.d"
TOML
        chroot "$NODE_ROOT" systemctl --quiet enable containerd.service
        printf '[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/usr/bin/env\n' >"$NODE_ROOT/etc/systemd/system/proxied.service"
}

# The health document, through a jq filter.
health() {
        node_run cat /run/capi-node-agent/health.json | jq --raw-output "$@"
}

# condition TYPE [KEY]
condition() {
        health --arg type "$1" ".conditions[] | select(.type == \$type) | .${2-status}"
}

# capability NAME [KEY]
capability() {
        health --arg name "$1" ".capabilities[] | select(.name == \$name) | .${2-state}"
}

# Fails for a unit that does not run: 0 as a process id would mean this test's own group to kill(2).
main_pid() {
        local pid
        pid=$(node_run systemctl show --property=MainPID --value "$1")
        if [[ $pid != [1-9]* ]]; then
                echo "$1 does not run" >&2
                return 1
        fi
        echo "$pid"
}

# equals EXPECTED COMMAND...: whether the command prints just that.
equals() {
        local expected=$1 found
        shift
        found=$("$@") || { printf 'exit status %d: %s\n' $? "$*"; return 1; }
        [[ $found == "$expected" ]] || { printf 'expected "%s", found "%s": %s\n' "$expected" "$found" "$*"; return 1; }
}

# contains TEXT COMMAND...
contains() {
        local text=$1 found
        shift
        found=$("$@") || { printf 'exit status %d: %s\n' $? "$*"; return 1; }
        [[ $found == *"$text"* ]] || { printf '"%s" is not in "%s": %s\n' "$text" "$found" "$*"; return 1; }
}

# fails COMMAND...: `!` alone does not end a test under `set -e`.
fails() {
        ! "$@"
}

# eventually SECONDS COMMAND...: until it succeeds; says what it was that never did. SECONDS is more than it takes here, and a
# machine may be three times as slow, or busy with something else for a while: only a test that fails waits so long.
eventually() {
        local seconds=$((3 * $1 > 90 ? 3 * $1 : 90)) deadline
        deadline=$((SECONDS + seconds))
        shift
        until "$@" >/dev/null 2>&1; do
                if ((SECONDS >= deadline)); then
                        echo "not within $seconds s: $*"
                        "$@" || true
                        return 1
                fi
                sleep 0.2
        done
}

healthy() {
        equals Healthy health .status && equals '' health '.capabilities[] | select(.state != "InForce" and .state != "Disabled") | .name'
}

# The journal since a moment that `date +%s.%N` gave. (With --after-cursor and a filter, journalctl 252 leaves out one entry.)
journal_since() {
        node_run journalctl --quiet --no-pager --output=cat --since="@$1" "${@:2}"
}

# The copies of etcd on the node.
copies() {
        node_run find /var/lib/capi-node-agent/etcd-backup/snapshots -name '*.tar.zst' -printf '%f\n' | sort
}

run_tests() {
        local name failed=0 began
        if [[ ${NODE_TEST_BED-} ]]; then
                bed_load "$NODE_TEST_BED"
        fi
        for name in $(grep -oE '^[a-z]\w*\(\)' "$0" | tr -d '()'); do
                began=$SECONDS
                # Not in a condition: `set -e` would be off inside.
                set +e
                (
                        set -e
                        # What a test before this one booted.
                        [[ ! -e $BED/bed ]] || bed_load "$BED"
                        "$name"
                ) >"$BED/output" 2>&1
                local status=$?
                set -e
                if ((status == 0)); then
                        printf 'ok - %s: %s (%d s)\n' "${0##*/}" "${name//_/ }" $((SECONDS - began))
                        echo passed >>"${NODE_TEST_COUNTS-/dev/null}"
                else
                        printf 'not ok - %s: %s (%d s)\n' "${0##*/}" "${name//_/ }" $((SECONDS - began))
                        sed 's/^/#   /' "$BED/output"
                        echo failed >>"${NODE_TEST_COUNTS-/dev/null}"
                        failed=1
                fi
        done
        return "$failed"
}

# Run by itself: a node of its own.
if [[ $0 == */[0-9]* && ! ${NODE_TEST_BED-} ]]; then
        test_requirements
        if [[ ! ${CAPI_NODE_DEB-} ]]; then
                test_packages=$(mktemp -d "${TMPDIR:-/var/tmp}/node-tests.XXXXXX")
                CAPI_NODE_DEB=$("$(dirname "$0")/../../packaging/build-deb" --install-dependencies "$test_packages" | grep -v dbgsym)
        fi
        test_node "$(test_kind "$0")"
        trap 'bed_close; rm -rf "${test_packages-}"' EXIT
fi
