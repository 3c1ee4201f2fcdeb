# SPDX-License-Identifier: Apache-2.0
"""A verified, compressed and encrypted copy against a bare one."""
import json
import os
import subprocess

import etcd

SUMMARY = "etcd-snapshot (SHA-256, walk, zstd, age, read back) against `etcdctl snapshot save`"
GOALS = {"wall seconds": 1.0, "CPU seconds": 1.0}
LIMITS = {"peak MB": 20}


def configure(work):
    root = work.path("root")
    identity = subprocess.run(["age-keygen"], check=True, capture_output=True, text=True).stdout
    recipient = next(line.split()[-1] for line in identity.splitlines() if "public key" in line)
    os.makedirs(root + "/etc/capi-node-agent", exist_ok=True)
    os.makedirs(root + "/var/lib/capi-node-agent/etcd-backup", exist_ok=True)
    os.makedirs(root + "/run/capi-node-agent", exist_ok=True)
    for name in os.listdir(work.etcd.pki):
        os.makedirs(root + "/pki", exist_ok=True)
        with open(os.path.join(work.etcd.pki, name), "rb") as source, open(root + "/pki/" + name, "wb") as copy:
            copy.write(source.read())
    path = root + "/etc/capi-node-agent/etcd-backup.json"
    with open(path, "w") as configuration:
        json.dump({"cluster": "bench", "encryption": {"recipients": [recipient]},
                   "etcd": {"endpoint": work.etcd.endpoint, "caFile": "/pki/ca.crt", "certFile": "/pki/client.crt",
                            "keyFile": "/pki/client.key"},
                   "targets": [{"name": "local", "path": "/copies", "retention": {"keepLast": 1}}]}, configuration)
    os.chmod(path, 0o600)
    return root


def setup(work):
    work.etcd = etcd.start(work)
    work.root = configure(work)
    peer(work)  # the server has its pages in memory


def ours(work):
    return work.run([work.program("plugins/etcd-backup/etcd-snapshot"), "--root", work.root])


def peer(work):
    path = work.path("peer.db")
    result = work.run([*work.etcd.ctl(), "snapshot", "save", path])
    os.unlink(path)
    return result
