# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# A registry on the management side that only a private authority makes trusted, and a node that pulls from nowhere else.
# Sourced after node-seed.sh.
#
#   registry_image STORAGE REPOSITORY TAG CONFIG LAYER      puts an image of one layer into a registry's storage
#   registry_seed HOST                 the user-data: HOST's images come from the registry only, its authority, and a proxy
#                                      that is not there, for all that does not belong to the node's network
#   registry_serve STORAGE             serves it, when the networks are there; $BED/registry.log has a line for each request

REGISTRY_PORT=5000

# Debian's, unpacked once; the package would start a service. Sets REGISTRY_PROGRAM.
registry_base() {
        local unpacked=$NODE_CACHE/docker-registry
        if [[ ! -d $unpacked ]]; then
                rm -rf --one-file-system "$unpacked.new"
                mmdebstrap --quiet --mode=root --aptopt='Acquire::Retries "5"' --variant=extract --format=directory \
                        --include=docker-registry --aptopt='Acquire::Check-Valid-Until "false"' bookworm "$unpacked.new" \
                        "deb $(node_mirror bookworm) bookworm main" 2>"$BED/docker-registry.log" ||
                        { tail -n 20 "$BED/docker-registry.log" >&2; bed_die "cannot get docker-registry"; }
                mv "$unpacked.new" "$unpacked"
        fi
        REGISTRY_PROGRAM=$unpacked/usr/bin/docker-registry
}

# registry_blob STORAGE FILE: prints the digest. The layout is that of distribution's file system driver.
registry_blob() {
        local digest directory
        digest=$(sha256sum "$2" | cut -d ' ' -f 1)
        directory=$1/docker/registry/v2/blobs/sha256/${digest:0:2}/$digest
        mkdir -p "$directory"
        cp "$2" "$directory/data"
        echo "$digest"
}

registry_link() {
        mkdir -p "$1"
        printf 'sha256:%s' "$2" >"$1/link"
}

registry_image() {
        local storage=$1 repository=$1/docker/registry/v2/repositories/$2 tag=$3 config layer manifest
        config=$(registry_blob "$storage" "$4")
        layer=$(registry_blob "$storage" "$5")
        jq -n --arg config "sha256:$config" --arg layer "sha256:$layer" \
                --argjson config_size "$(stat -c %s "$4")" --argjson layer_size "$(stat -c %s "$5")" \
                '{ schemaVersion: 2, mediaType: "application/vnd.oci.image.manifest.v1+json",
                   config: { mediaType: "application/vnd.oci.image.config.v1+json", digest: $config, size: $config_size },
                   layers: [{ mediaType: "application/vnd.oci.image.layer.v1.tar", digest: $layer, size: $layer_size }] }' \
                >"$BED/registry-manifest"
        manifest=$(registry_blob "$storage" "$BED/registry-manifest")
        registry_link "$repository/_layers/sha256/$config" "$config"
        registry_link "$repository/_layers/sha256/$layer" "$layer"
        registry_link "$repository/_manifests/revisions/sha256/$manifest" "$manifest"
        registry_link "$repository/_manifests/tags/$tag/index/sha256/$manifest" "$manifest"
        registry_link "$repository/_manifests/tags/$tag/current" "$manifest"
}

registry_seed() {
        registry_base
        mkdir -p "$BED/pki"
        pki_authority registry-ca "/CN=Private authority of the registry"
        pki_leaf registry-ca registry /CN=registry serverAuth "IP:$MANAGEMENT_ADDRESS"
        seed_file /etc/capi-node-agent/registry-ca.pem 0644 <"$BED/pki/registry-ca.crt"
        seed_file /etc/capi-node-agent/custom-ca.json 0644 <<'JSON'
{ "authorities": [{ "name": "registry", "file": "/etc/capi-node-agent/registry-ca.pem" }], "containerd": true }
JSON
        seed_file /etc/capi-node-agent/registry-mirror.json 0644 <<JSON
{ "registries": { "$1": { "fallback": false, "endpoints": [{ "url": "https://$MANAGEMENT_ADDRESS:$REGISTRY_PORT" }] } } }
JSON
        seed_file /etc/capi-node-agent/proxy-credentials 0600 <<<'node:of/a%cluster'
        seed_file /etc/capi-node-agent/proxy.json 0644 <<JSON
{ "httpProxy": "http://$MANAGEMENT_ADDRESS:9", "httpsProxy": "http://$MANAGEMENT_ADDRESS:9",
  "credentialsFile": "/etc/capi-node-agent/proxy-credentials" }
JSON
}

registry_serve() {
        cat >"$BED/registry.yaml" <<YAML
version: 0.1
log: { level: error }
storage:
  filesystem: { rootdirectory: $1 }
  maintenance: { readonly: { enabled: true } }
http:
  addr: $MANAGEMENT_ADDRESS:$REGISTRY_PORT
  tls: { certificate: $BED/pki/registry.crt, key: $BED/pki/registry.key }
YAML
        # It may outlive a test that was killed, and must not hold the lock of the kubeadm node then.
        {
                [[ ! ${KUBEADM_LOCK-} ]] || exec {KUBEADM_LOCK}>&-
                exec ip netns exec "$NODE_INSTANCE-management" setsid "$REGISTRY_PROGRAM" serve "$BED/registry.yaml" \
                        >"$BED/registry.log" 2>"$BED/registry.error" </dev/null
        } &
        echo $! >"$BED/registry.pid"
        disown
}
