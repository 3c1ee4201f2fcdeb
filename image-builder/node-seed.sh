# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What the management cluster gives a new control-plane machine: user-data as a KubeadmControlPlane produces it, with the
# cluster's certificate authorities and this agent's configuration as files, and kubeadm (or what stands in for it) as
# command. Sourced after node-bed.sh.
#
#   seed_pki                           the authorities and certificates in $BED/pki, as kubeadm names them
#   seed_file PATH MODE                a write_files entry, content from standard input
#   seed_command COMMAND               a runcmd entry
#   seed_write                         puts it all where cloud-init's NoCloud looks
#   seed_control_plane                 the whole: configuration, PKI, an etcd with data in it
#   management_ask CERTIFICATE PATH    asks the node's gateway with a certificate of $BED/pki

SEED_SCHEDULE='*-*-* 00/2:00:00' # of the backup

# pki_authority NAME SUBJECT
pki_authority() {
        openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj "$2" -keyout "$BED/pki/$1.key" -out "$BED/pki/$1.crt" \
                -addext basicConstraints=critical,CA:true -addext keyUsage=critical,digitalSignature,keyEncipherment,keyCertSign \
                2>/dev/null
}

# pki_leaf AUTHORITY NAME SUBJECT USAGE [SUBJECT-ALTERNATIVE-NAMES]
pki_leaf() {
        openssl req -x509 -newkey rsa:2048 -nodes -days 365 -subj "$3" -keyout "$BED/pki/$2.key" -out "$BED/pki/$2.crt" \
                -CA "$BED/pki/$1.crt" -CAkey "$BED/pki/$1.key" -addext basicConstraints=critical,CA:false \
                -addext keyUsage=critical,digitalSignature,keyEncipherment -addext "extendedKeyUsage=$4" \
                ${5:+-addext "subjectAltName=$5"} 2>/dev/null
}

seed_pki() {
        local node="DNS:$NODE_NAME,DNS:localhost,IP:$NODE_ADDRESS,IP:127.0.0.1,IP:::1"
        mkdir -p "$BED/pki/etcd"
        pki_authority ca /CN=kubernetes
        pki_authority etcd/ca /CN=etcd-ca
        pki_leaf etcd/ca etcd/server "/CN=$NODE_NAME" serverAuth,clientAuth "$node"
        pki_leaf etcd/ca etcd/peer "/CN=$NODE_NAME" serverAuth,clientAuth "$node"
        pki_leaf etcd/ca etcd/healthcheck-client /CN=kube-etcd-healthcheck-client clientAuth
        pki_leaf ca capi-node-gateway "/CN=$NODE_NAME" serverAuth "$node"
        # These two stay on the management side: one that gateway.json allows, and one that every machine of the cluster has.
        pki_leaf ca management /O=example/CN=management clientAuth
        pki_leaf ca kubelet /O=system:nodes/CN=system:node:other clientAuth
}

management_ask() {
        management_run curl --silent --show-error --max-time 10 --cacert "$BED/pki/ca.crt" --cert "$BED/pki/$1.crt" \
                --key "$BED/pki/$1.key" "${@:3}" "https://$NODE_ADDRESS:10273$2"
}

seed_file() {
        {
                printf -- '- path: %s\n  owner: root:root\n  permissions: "%s"\n  content: |\n' "$1" "$2"
                sed 's/^/    /'
        } >>"$BED/seed-files"
}

# As cloud-init runs it, by sh.
seed_command() {
        printf -- '- %s\n' "$(jq -n --arg command "$1" '$command')" >>"$BED/seed-commands"
}

seed_write() {
        local seed=$NODE_ROOT/var/lib/cloud/seed/nocloud
        mkdir -p "$seed"
        printf 'instance-id: %s\nlocal-hostname: %s\n' "$NODE_INSTANCE" "$NODE_NAME" >"$seed/meta-data"
        {
                printf '## template: jinja\n#cloud-config\n'
                [[ ! -e $BED/seed-files ]] || sed '1i write_files:' "$BED/seed-files"
                [[ ! -e $BED/seed-commands ]] || sed '1i runcmd:' "$BED/seed-commands"
        } >"$seed/user-data"
}

# The agent's configuration. seed_configuration [NODE-HEALTH-JSON]
seed_configuration() {
        seed_file /etc/capi-node-agent/gateway.json 0644 <<'JSON'
{
  "listen": ["0.0.0.0:10273"],
  "certFile": "/etc/kubernetes/pki/capi-node-gateway.crt",
  "keyFile": "/etc/kubernetes/pki/capi-node-gateway.key",
  "clientCAFile": "/etc/kubernetes/pki/ca.crt",
  "allow": { "commonNames": ["management"] }
}
JSON
        seed_file /etc/capi-node-agent/etcd-backup.json 0644 <<JSON
{
  "schedule": "$SEED_SCHEDULE",
  "maxAge": "5h",
  "cluster": "try-node",
  "targets": [
    { "name": "local", "type": "directory", "path": "/var/lib/capi-node-agent/etcd-backup/snapshots", "retention": { "keepLast": 3 } }
  ]
}
JSON
        seed_file /etc/capi-node-agent/node-health.json 0644 <<<"${1:-{ \"interval\": \"10s\" \}}"
        seed_file /etc/kubernetes/pki/capi-node-gateway.crt 0644 <"$BED/pki/capi-node-gateway.crt"
        seed_file /etc/kubernetes/pki/capi-node-gateway.key 0600 <"$BED/pki/capi-node-gateway.key"
}

# A control plane as far as this agent can tell, without Kubernetes' programs: etcd with kubeadm's flags, paths and
# manifest. Cluster API hands out the authorities; the rest of the PKI is what kubeadm would have made.
seed_control_plane() {
        local name
        seed_pki
        seed_configuration '{ "interval": "10s", "checks": { "bootstrap": { "enabled": false }, "kubelet": { "enabled": false } } }'
        for name in ca etcd/ca etcd/server etcd/peer etcd/healthcheck-client; do
                seed_file "/etc/kubernetes/pki/$name.crt" 0644 <"$BED/pki/$name.crt"
                seed_file "/etc/kubernetes/pki/$name.key" 0600 <"$BED/pki/$name.key"
        done
        seed_etcd_arguments >"$BED/etcd-arguments"
        seed_file /run/kubeadm/etcd.yaml 0600 < <(seed_etcd_manifest)
        seed_file /run/systemd/system/etcd-member.service 0644 <<UNIT
[Service]
Type=notify
Restart=always
ExecStart=$(paste -sd ' ' "$BED/etcd-arguments")
UNIT
        seed_file /run/kubeadm/init 0700 <<'SCRIPT'
#!/bin/sh
set -e
install -d -m 0700 -o root -g root /var/lib/etcd /etc/kubernetes/manifests
cp /run/kubeadm/etcd.yaml /etc/kubernetes/manifests/etcd.yaml
systemctl daemon-reload
systemctl start etcd-member.service
export ETCDCTL_API=3
# 1000 keys of 1 KiB under names that the API server would use, 125 in a transaction (128 operations at most).
awk 'BEGIN {
        for (value = "x"; length(value) < 1024; value = value value);
        for (n = 0; n < 1000; n++)
                printf "put /registry/configmaps/default/object-%04d %s\n", n, value
}' | split --lines=125 --filter='{ echo; cat; echo; echo; } | etcdctl --endpoints=https://127.0.0.1:2379 \
        --cacert=/etc/kubernetes/pki/etcd/ca.crt --cert=/etc/kubernetes/pki/etcd/healthcheck-client.crt \
        --key=/etc/kubernetes/pki/etcd/healthcheck-client.key txn >/dev/null'
SCRIPT
        seed_command /run/kubeadm/init
}

# kubernetes: cmd/kubeadm/app/phases/etcd/local.go
seed_etcd_arguments() {
        cat <<ARGUMENTS
etcd
--advertise-client-urls=https://$NODE_ADDRESS:2379
--cert-file=/etc/kubernetes/pki/etcd/server.crt
--client-cert-auth=true
--data-dir=/var/lib/etcd
--initial-advertise-peer-urls=https://$NODE_ADDRESS:2380
--initial-cluster=$NODE_NAME=https://$NODE_ADDRESS:2380
--key-file=/etc/kubernetes/pki/etcd/server.key
--listen-client-urls=https://127.0.0.1:2379,https://$NODE_ADDRESS:2379
--listen-metrics-urls=http://127.0.0.1:2381
--listen-peer-urls=https://$NODE_ADDRESS:2380
--name=$NODE_NAME
--peer-cert-file=/etc/kubernetes/pki/etcd/peer.crt
--peer-client-cert-auth=true
--peer-key-file=/etc/kubernetes/pki/etcd/peer.key
--peer-trusted-ca-file=/etc/kubernetes/pki/etcd/ca.crt
--snapshot-count=10000
--trusted-ca-file=/etc/kubernetes/pki/etcd/ca.crt
ARGUMENTS
}

seed_etcd_manifest() {
        cat <<MANIFEST
apiVersion: v1
kind: Pod
metadata:
  annotations:
    kubeadm.kubernetes.io/etcd.advertise-client-urls: https://$NODE_ADDRESS:2379
  labels:
    component: etcd
    tier: control-plane
  name: etcd
  namespace: kube-system
spec:
  containers:
  - command:
$(sed 's/^/    - /' "$BED/etcd-arguments")
    image: etcd
    name: etcd
  hostNetwork: true
MANIFEST
}
