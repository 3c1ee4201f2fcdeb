# SPDX-License-Identifier: Apache-2.0
"""What a writer of etcd notices of a snapshot that is taken meanwhile."""
import importlib
import threading
import time

import etcd

SUMMARY = "the 99th percentile of puts during our snapshot against that during etcdctl's"
GOALS = {"put p99 ms": 1.0}

snapshot = importlib.import_module("etcd-snapshot")


def setup(work):
    snapshot.setup(work)


def put_all_along(work, during):
    latencies, ended = [], threading.Event()

    def put():
        connection = work.etcd.connect()
        while not ended.is_set():
            started = time.monotonic()
            work.etcd.call(connection, "/v3/kv/put", {"key": "YmVuY2g=", "value": "YQ=="})
            latencies.append(time.monotonic() - started)

    writer = threading.Thread(target=put)
    writer.start()
    try:
        during(work)
    finally:
        ended.set()
        writer.join()
    latencies.sort()
    return {"put p99 ms": 1000 * latencies[len(latencies) * 99 // 100]}


def ours(work):
    return put_all_along(work, snapshot.ours)


def peer(work):
    return put_all_along(work, snapshot.peer)
