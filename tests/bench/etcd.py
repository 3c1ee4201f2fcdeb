# SPDX-License-Identifier: Apache-2.0
"""A real etcd with mutual TLS and a database of Kubernetes-like objects, made once for each size and kept."""
import base64
import fcntl
import http.client
import json
import os
import random
import shutil
import socket
import ssl
import subprocess
import time

from work import CACHE, chroot

TRANSACTION = 100  # requests; etcd takes 128


def tools(suite="sid"):
    """The directory of etcd, etcdctl and etcdutl 3.5."""
    return os.path.join(chroot(suite, "etcd-client", "etcd-server"), "usr/bin")


def make_certificates(directory):
    def openssl(*words):
        subprocess.run(["openssl", *words], check=True, cwd=directory, stderr=subprocess.DEVNULL)

    os.makedirs(directory)
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl("req", "-x509", *key, "-days", "2", "-subj", "/CN=etcd-ca", "-keyout", "ca.key", "-out", "ca.crt")
    for name in "server", "client":
        openssl("req", *key, "-subj", "/CN=" + name, "-addext", "subjectAltName=IP:127.0.0.1", "-keyout",
                name + ".key", "-out", name + ".csr")
        openssl("x509", "-req", "-in", name + ".csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days",
                "2", "-copy_extensions", "copy", "-out", name + ".crt")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Etcd:
    def __init__(self, work, data, suite="sid"):
        self.pki = work.path("pki")
        if not os.path.exists(self.pki):
            make_certificates(self.pki)
        self.port, peer_port = free_port(), free_port()
        self.endpoint = "https://127.0.0.1:%d" % self.port
        self.log = open(work.path("etcd.log"), "ab")
        self.process = subprocess.Popen(
            [os.path.join(tools(suite), "etcd"), "--data-dir", data, "--listen-client-urls", self.endpoint,
             "--advertise-client-urls", self.endpoint, "--listen-peer-urls", "http://127.0.0.1:%d" % peer_port,
             "--initial-advertise-peer-urls", "http://127.0.0.1:%d" % peer_port, "--initial-cluster",
             "default=http://127.0.0.1:%d" % peer_port, "--quota-backend-bytes", str(8 << 30), "--unsafe-no-fsync",
             "--client-cert-auth", "--trusted-ca-file", self.pki + "/ca.crt", "--cert-file", self.pki + "/server.crt",
             "--key-file", self.pki + "/server.key"], stdout=self.log, stderr=self.log)
        work.children.append(self.process)
        deadline = time.monotonic() + 300  # from a cold disk, on a busy machine
        while not self.serves():
            if time.monotonic() > deadline:
                raise SystemExit("etcd does not come up: see " + work.path("etcd.log"))
            time.sleep(0.1)

    def context(self):
        context = ssl.create_default_context(cafile=self.pki + "/ca.crt")
        context.load_cert_chain(self.pki + "/client.crt", self.pki + "/client.key")
        return context

    def connect(self):
        return http.client.HTTPSConnection("127.0.0.1", self.port, context=self.context(), timeout=60)

    def serves(self):
        try:
            return "header" in self.call(self.connect(), "/v3/kv/put", {"key": "YQ==", "value": "YQ=="})
        except (OSError, http.client.HTTPException):
            return False

    @staticmethod
    def call(connection, path, message):
        connection.request("POST", path, json.dumps(message))
        return json.loads(connection.getresponse().read())

    def ctl(self, suite="sid"):
        return [os.path.join(tools(suite), "etcdctl"), "--endpoints", self.endpoint, "--cacert", self.pki + "/ca.crt",
                "--cert", self.pki + "/client.crt", "--key", self.pki + "/client.key", "--command-timeout", "300s"]

    def stop(self):
        self.process.terminate()
        self.process.wait()


WORDS = ("apiVersion kind metadata namespace default kube-system annotations labels app.kubernetes.io/name "
         "controller-revision-hash containers image imagePullPolicy IfNotPresent terminationMessagePath /dev/termination-log "
         "volumeMounts /var/run/secrets/kubernetes.io/serviceaccount resources requests limits cpu memory tolerations "
         "node.kubernetes.io/not-ready NoExecute status conditions Ready lastTransitionTime managedFields FieldsV1 f:spec "
         "f:status kube-controller-manager kubelet Update subresource ownerReferences ReplicaSet uid resourceVersion").split()


def kubernetes_object(source, size):
    """Words of a manifest with random ids among them: compresses about as objects in etcd do."""
    parts, length = [], 0
    while length < size:
        part = "%s: %s-%08x\n" % (source.choice(WORDS), source.choice(WORDS), source.getrandbits(32))
        parts.append(part)
        length += len(part)
    return "".join(parts).encode()


def objects(source, size):
    """Keys and values until they are `size` bytes: many small ones, some of several pages, some that do not compress."""
    kinds = (("pods", 45, 5000), ("events", 30, 900), ("configmaps", 8, 20000), ("secrets", 7, 6000), ("leases", 10, 400))
    weights = [weight for _, weight, _ in kinds]
    total = n = 0
    while total < size:
        kind, _, mean = source.choices(kinds, weights)[0]
        length = int(mean * source.uniform(0.5, 1.5))
        value = source.randbytes(length) if kind == "secrets" else kubernetes_object(source, length)
        n += 1
        total += length
        yield "/registry/%s/namespace-%d/object-%d" % (kind, n % 50, n // (4 if kind == "leases" else 1)), value


def fill(etcd, size):
    connection = etcd.connect()
    requests, revision = [], 0

    def commit():
        nonlocal revision
        answer = etcd.call(connection, "/v3/kv/txn", {"success": requests})
        revision = int(answer["header"]["revision"])
        requests.clear()

    bytes_waiting, keys = 0, set()
    for key, value in objects(random.Random(1), size):
        if key in keys or bytes_waiting + len(value) > 1 << 20 or len(requests) == TRANSACTION:
            commit()
            keys.clear()
            bytes_waiting = 0
        keys.add(key)
        bytes_waiting += len(value)
        requests.append({"requestPut": {"key": base64.b64encode(key.encode()).decode(),
                                        "value": base64.b64encode(value).decode()}})
    if requests:
        commit()
    # As the API server does: leaves free pages, and stale ones, among the others.
    etcd.call(connection, "/v3/kv/compaction", {"revision": str(revision - revision // 10), "physical": True})


def start(work):
    """The etcd of this size. Its data directory is worked on by one bench at a time."""
    data = os.path.join(CACHE, "bench-etcd-%d" % work.size)
    os.makedirs(CACHE, exist_ok=True)
    work.lock = open(data + ".lock", "w")
    fcntl.flock(work.lock, fcntl.LOCK_EX)
    if not os.path.exists(data):
        shutil.rmtree(data + ".new", ignore_errors=True)
        etcd = Etcd(work, data + ".new")
        fill(etcd, work.size)
        etcd.stop()
        os.rename(data + ".new", data)
    return Etcd(work, data)
