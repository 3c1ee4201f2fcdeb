# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# A node whose control plane is real: kubelet, and what `kubeadm init` makes of it. Sourced after node-seed.sh.
#
#   kubeadm_base                       the programs (built once, cached), and what the root file system needs besides
#   kubeadm_seed                       the image's part in NODE_ROOT, and the user-data
#
# No image is on the node: all of the control plane's come from the registry of registry-seed.sh, whose part in NODE_ROOT is the
# configuration of custom-ca, proxy and registry-mirror. registry_serve "$KUBERNETES_REGISTRY" when the node has booted.
#
# Kubernetes 1.20.2, because that is the newest whose source is in Debian; etcd is the one of Debian 13, because its etcdutl
# can raise revisions in a restore.

KUBERNETES_VERSION=v1.20.2
# Where the images would come from without the mirror: nowhere.
KUBERNETES_IMAGES=node-bed.invalid
KUBERNETES_REGISTRY=$NODE_CACHE/kubernetes/registry
KUBERNETES_PROGRAMS=(kube-apiserver kube-controller-manager kube-scheduler kubeadm kubelet)

kubeadm_base() {
        # Kubelets on one host share its cgroup hierarchies and would sweep each other's pods away. The node inherits the
        # lock and holds it as long as it runs.
        mkdir -p "$NODE_CACHE/kubernetes"
        exec {KUBEADM_LOCK}>"$NODE_CACHE/kubernetes/lock"
        export KUBEADM_LOCK
        if ! flock --nonblock "$KUBEADM_LOCK"; then
                echo "${0##*/}: waiting for another kubeadm node on this machine to end" >&2
                flock "$KUBEADM_LOCK"
        fi
        "$(dirname "${BASH_SOURCE[0]}")/build-kubernetes" "$NODE_CACHE/kubernetes" "${KUBERNETES_PROGRAMS[@]}"
        NODE_PACKAGES+=(kubernetes-client containernetworking-plugins)
        # A quarter of a gigabyte of programs is not copied.
        NODE_NSPAWN_OPTIONS+=(--bind-ro="$NODE_CACHE/kubernetes:/opt/kubernetes")
}

# kubeadm_image NAME:TAG ROOT PROGRAM...: an image of programs and their libraries below ROOT in the registry, made once.
kubeadm_image() {
        local name=${1%%:*} tag=${1#*:} root=$2 image program library
        shift 2
        [[ -e $KUBERNETES_REGISTRY/docker/registry/v2/repositories/$name/_manifests/tags/$tag/current/link ]] && return

        image=$BED/image
        mkdir -p "$image/layer/usr/local/bin" "$image/layer/tmp" "$image/layer/etc"
        echo 'root:x:0:0:root:/root:/bin/sh' >"$image/layer/etc/passwd"
        for program; do
                cp "$root$program" "$image/layer/usr/local/bin/"
                # Go's programs are static: ldd then says so, and fails.
                for library in $(chroot "$root" ldd "$program" 2>/dev/null | grep -o '/[^ ]*'); do
                        mkdir -p "$image/layer${library%/*}"
                        cp -L "$root$library" "$image/layer$library"
                done
        done
        tar -C "$image/layer" -cf "$image/layer.tar" .
        # kubeadm's manifests call the programs by name.
        jq -n --arg program "/usr/local/bin/${1##*/}" --arg architecture "$(dpkg --print-architecture)" \
                --arg layer "sha256:$(sha256sum "$image/layer.tar" | cut -d ' ' -f 1)" \
                '{ architecture: $architecture, os: "linux", config: { Env: ["PATH=/usr/local/bin:/usr/bin:/bin"],
                   Entrypoint: [$program] }, rootfs: { type: "layers", diff_ids: [$layer] } }' >"$image/config.json"
        registry_image "$KUBERNETES_REGISTRY" "$name" "$tag" "$image/config.json" "$image/layer.tar"
        rm -r "$image"
}

# Debian 13's programs need nothing of their own libraries. KUBERNETES_ETCD becomes the image's tag.
kubeadm_etcd() {
        local unpacked=$NODE_CACHE/kubernetes/etcd-trixie programs=/opt/etcd-programs
        if [[ ! -d $unpacked ]]; then
                rm -rf --one-file-system "$unpacked.new"
                # A mirror may be frozen at some day, whose signature is as good as ever but no longer young.
                mmdebstrap --quiet --mode=root --aptopt='Acquire::Retries "5"' --variant=extract --format=directory \
                        --include=etcd-server,etcd-client --aptopt='Acquire::Check-Valid-Until "false"' trixie "$unpacked.new" \
                        "deb $(node_mirror bookworm) trixie main" 2>"$BED/etcd.log" ||
                        { tail -n 20 "$BED/etcd.log" >&2; bed_die "cannot get etcd"; }
                mv "$unpacked.new" "$unpacked"
        fi
        KUBERNETES_ETCD=$("$unpacked/usr/bin/etcd" --version | sed -n 's/^etcd Version: //p')-0
        mkdir "$NODE_ROOT$programs"
        cp "$unpacked"/usr/bin/etcd* "$NODE_ROOT$programs/"
        kubeadm_image "etcd:$KUBERNETES_ETCD" "$NODE_ROOT" "$programs"/{etcd,etcdctl,etcdutl}
        rm -r "$NODE_ROOT$programs"
        # It is in a node only as a container.
        rm -f "$NODE_ROOT"/usr/bin/etcd{,ctl}
}

kubeadm_images() {
        local component
        for component in kube-apiserver kube-controller-manager kube-scheduler; do
                kubeadm_image "$component:$KUBERNETES_VERSION" "$NODE_CACHE/kubernetes" "/$component"
        done
        kubeadm_etcd
        echo 'int pause(void); int main(void) { for (;;) pause(); }' | gcc -x c -static -O1 -o "$BED/pause" -
        kubeadm_image pause:3.2 "$BED" /pause
}

kubeadm_seed() {
        kubeadm_images
        kubeadm_node_image
        seed_pki
        seed_configuration
        registry_seed "$KUBERNETES_IMAGES"
        local name
        for name in ca etcd/ca; do
                seed_file "/etc/kubernetes/pki/$name.crt" 0644 <"$BED/pki/$name.crt"
                seed_file "/etc/kubernetes/pki/$name.key" 0600 <"$BED/pki/$name.key"
        done
        seed_file /run/kubeadm/kubeadm.yaml 0640 <<YAML
apiVersion: kubeadm.k8s.io/v1beta2
kind: InitConfiguration
localAPIEndpoint:
  advertiseAddress: $NODE_ADDRESS
  bindPort: 6443
nodeRegistration:
  name: $NODE_NAME
  criSocket: unix:///run/containerd/containerd.sock
  kubeletExtraArgs:
    cgroup-driver: cgroupfs
---
apiVersion: kubeadm.k8s.io/v1beta2
kind: ClusterConfiguration
kubernetesVersion: $KUBERNETES_VERSION
imageRepository: $KUBERNETES_IMAGES
etcd:
  local:
    imageTag: $KUBERNETES_ETCD
networking:
  podSubnet: 10.244.0.0/16
---
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
cgroupDriver: cgroupfs
failSwapOn: false
evictionHard: {}
YAML
        # The preflight phase, which would pull the images, wants crictl, which Debian does not have.
        seed_command "ctr -n k8s.io images pull --hosts-dir /etc/containerd/certs.d $KUBERNETES_IMAGES/pause:3.2 >/dev/null"
        seed_command 'kubeadm init --config /run/kubeadm/kubeadm.yaml --ignore-preflight-errors=all --skip-phases=preflight,addon'
}

# What Cluster API's image builder puts into an image, and what a container needs to hold a kubelet.
kubeadm_node_image() {
        mkdir -p "$NODE_ROOT/etc/containerd" "$NODE_ROOT/etc/cni/net.d" "$NODE_ROOT/opt/kubernetes"
        ln -s /opt/kubernetes/kubeadm /opt/kubernetes/kubelet "$NODE_ROOT/usr/local/bin/"
        cat >"$NODE_ROOT/etc/containerd/config.toml" <<TOML
version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "$KUBERNETES_IMAGES/pause:3.2"
  disable_apparmor = true
  restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "/usr/lib/cni"
[plugins."io.containerd.grpc.v1.cri".registry]
  config_path = "/etc/containerd/certs.d"
TOML
        # Not a gateway: the plugin would turn forwarding on, and /proc/sys is read-only in a container.
        cat >"$NODE_ROOT/etc/cni/net.d/10-bridge.conf" <<'JSON'
{ "cniVersion": "0.4.0", "name": "bridge", "type": "bridge", "bridge": "cni0",
  "ipam": { "type": "host-local", "subnet": "10.244.0.0/24" } }
JSON
        cat >"$NODE_ROOT/etc/systemd/system/kubelet.service" <<UNIT
[Unit]
After=containerd.service node-bed.service
[Service]
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
ExecStart=/usr/local/bin/kubelet --bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf \\
        --kubeconfig=/etc/kubernetes/kubelet.conf --config=/var/lib/kubelet/config.yaml \$KUBELET_KUBEADM_ARGS \\
        --fail-swap-on=false --node-ip=$NODE_ADDRESS
Restart=always
RestartSec=3
[Install]
WantedBy=multi-user.target
UNIT
        cat >"$NODE_ROOT/etc/systemd/system/node-bed.service" <<'UNIT'
[Unit]
Description=What a kubelet needs in a container
DefaultDependencies=no
Before=containerd.service kubelet.service
[Service]
Type=oneshot
ExecStart=/usr/local/sbin/node-bed
[Install]
WantedBy=multi-user.target
UNIT
        # The kubelet insists on these sysctls; files over them satisfy it, and the host's stay as they are.
        cat >"$NODE_ROOT/usr/local/sbin/node-bed" <<'SCRIPT'
#!/bin/sh
set -e
for group in /sys/fs/cgroup /sys/fs/cgroup/*; do
        if mountpoint -q "$group"; then mount -o remount,bind,rw "$group"; fi
done
mkdir -p /run/sysctl
for setting in vm/overcommit_memory=1 kernel/panic=10 kernel/panic_on_oops=1 kernel/keys/root_maxkeys=1000000 \
        kernel/keys/root_maxbytes=25000000; do
        file=/run/sysctl/$(echo "${setting%%=*}" | tr / _)
        echo "${setting#*=}" >"$file"
        mount --bind "$file" "/proc/sys/${setting%%=*}"
done
[ -e /dev/kmsg ] || ln -s /dev/null /dev/kmsg
SCRIPT
        chmod 0755 "$NODE_ROOT/usr/local/sbin/node-bed"
        chroot "$NODE_ROOT" systemctl --quiet enable node-bed.service kubelet.service containerd.service
}
