# SPDX-License-Identifier: Apache-2.0
"""How fast a copy gets to S3: that of a real run, and the same file by other clients."""
import importlib
import json
import os
import subprocess
import time

import etcd
from work import TOP

SUMMARY = "the upload of a copy (parts with their own hashes, HEAD compared) against `s3cmd put` and `rclone copyto`, to Swift over TLS"
GOALS = {"seconds per GB": 1.0}
# Swift takes 25 to 50 s for a GB here, all of it in one process: a copy of 190 MB, a dozen parts, shows the same.
SIZE_MAX = 512 << 20

KEY, SECRET, BUCKET = "test:tester", "testing", "backups"
snapshot = importlib.import_module("etcd-snapshot")


def write_private(path, text):
    with open(path, "w", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(text)
    return path


def start_swift(work):
    port, tls_port = etcd.free_port(), etcd.free_port()
    work.authority = work.etcd.pki + "/ca.crt"
    work.s3 = "127.0.0.1:%d" % tls_port
    work.children.append(subprocess.Popen(
        ["/usr/bin/python3", os.path.join(TOP, "tests/integration/swift-server.py"), work.path("swift"), str(port),
         str(tls_port), KEY, SECRET, work.etcd.pki + "/server.crt", work.etcd.pki + "/server.key"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    work.s3cmd = ["s3cmd", "-c", write_private(work.path("s3cfg"), (
        "[default]\naccess_key = %s\nsecret_key = %s\nhost_base = %s\nhost_bucket = %s\nca_certs_file = %s\n"
        "bucket_location = us-east-1\nprogress_meter = False\n") % (KEY, SECRET, work.s3, work.s3, work.authority))]
    deadline = time.monotonic() + 120
    while subprocess.run([*work.s3cmd, "mb", "s3://" + BUCKET], stdout=subprocess.DEVNULL,
                         stderr=subprocess.DEVNULL).returncode != 0:
        if time.monotonic() > deadline:
            raise SystemExit("Swift does not come up")
        time.sleep(0.5)


def setup(work):
    work.etcd = etcd.start(work)
    work.root = snapshot.configure(work)
    start_swift(work)
    write_private(work.root + "/pki/s3", "[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n" % (KEY, SECRET))
    path = work.root + "/etc/capi-node-agent/etcd-backup.json"
    with open(path) as file:
        configuration = json.load(file)
    configuration["targets"].append(
        {"name": "offsite", "type": "s3", "endpoint": "https://" + work.s3, "region": "us-east-1", "bucket": BUCKET,
         "addressing": "path", "caFile": "/pki/ca.crt", "credentialsFile": "/pki/s3", "retention": {"keepLast": 1}})
    write_private(path, json.dumps(configuration))
    ours(work)  # the file that the others are to take


def copy(work):
    directory = work.root + "/copies"
    return os.path.join(directory, max(name for name in os.listdir(directory) if name.endswith(".age")))


def per_gigabyte(work, seconds):
    return {"seconds per GB": seconds * 1e9 / os.path.getsize(copy(work))}


def ours(work):
    work.run([work.program("plugins/etcd-backup/etcd-snapshot"), "--root", work.root])
    with open(work.root + "/var/lib/capi-node-agent/etcd-backup/last-run.json") as file:
        return per_gigabyte(work, json.load(file)["stagesUsec"]["deliver"] / 1e6)


def by_s3cmd(work):
    return per_gigabyte(work, work.run([*work.s3cmd, "put", copy(work), "s3://%s/s3cmd" % BUCKET])["wall seconds"])


def by_rclone(work):
    remote = {"TYPE": "s3", "PROVIDER": "Other", "ACCESS_KEY_ID": KEY, "SECRET_ACCESS_KEY": SECRET,
              "ENDPOINT": "https://" + work.s3, "REGION": "us-east-1", "FORCE_PATH_STYLE": "true"}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment.update({"RCLONE_CONFIG_SWIFT_" + name: value for name, value in remote.items()})
    command = ["rclone", "--config", "/dev/null", "--ca-cert", work.authority, "copyto", "--ignore-times", copy(work),
               "swift:%s/rclone" % BUCKET]
    return per_gigabyte(work, work.run(command, env=environment)["wall seconds"])


peers = {"s3cmd": by_s3cmd, "rclone": by_rclone}
