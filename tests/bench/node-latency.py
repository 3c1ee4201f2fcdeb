# SPDX-License-Identifier: Apache-2.0
"""From a plugin's report on disk to the condition on the Node object of a real API server: the first change after a quiet
time, which waits a second for what comes with it, and one that follows soon, which waits for the end of the batch (15 s)."""
import os
import random
import subprocess
import threading
import time

from kubernetes import Kubernetes
from weather import make_root, write_weather

SUMMARY = "a report is renamed into place; a watch of the Nodes shows the condition, on nodes that change at their own times"
GOALS = {}
LIMITS = {"first p50 ms": 1500, "first p99 ms": 2000, "in batch p50 ms": 15500, "in batch p99 ms": 15500}

NODES = 25  # for each run; the figures are of all runs so far
BATCH_SECONDS = 15
WARM_UP_SECONDS = 35
PATIENCE_SECONDS = 60


class Node:
    def __init__(self, work, kubernetes, number):
        self.name = "cp-%d" % number
        self.root = make_root(work.path(self.name))
        self.status, self.seen = None, threading.Condition()
        kubernetes.join(self.name, self.root)
        write_weather(self.root, "True")
        log = open(work.path(self.name + ".log"), "wb")
        work.children.append(subprocess.Popen(
            [work.program("agent/agent/capi-node-agent"), "--root", self.root, "daemon"], stdout=log, stderr=log))

    def shown(self, node):
        conditions = node.get("status", {}).get("conditions", [])
        status = next((c["status"] for c in conditions if c["type"] == "WeatherFair"), None)
        with self.seen:
            self.status = status
            self.seen.notify_all()

    def change(self):
        """Milliseconds until the watch shows it."""
        wanted = "False" if self.status == "True" else "True"
        started = time.perf_counter()
        write_weather(self.root, wanted)
        with self.seen:
            assert self.seen.wait_for(lambda: self.status == wanted, PATIENCE_SECONDS), self.name
        return (time.perf_counter() - started) * 1000

    def measure(self, first, in_batch):
        time.sleep(BATCH_SECONDS + 1 + random.uniform(0, BATCH_SECONDS))
        first.append(self.change())
        time.sleep(random.uniform(0, BATCH_SECONDS - 2))
        in_batch.append(self.change())


def setup(work):
    kubernetes = Kubernetes(work)
    work.first, work.in_batch = [], []
    work.nodes = {node.name: node for node in (Node(work, kubernetes, number) for number in range(NODES))}
    threading.Thread(target=kubernetes.watch_nodes, daemon=True,
                     args=(lambda node: work.nodes[node["metadata"]["name"]].shown(node),)).start()
    time.sleep(WARM_UP_SECONDS)


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def ours(work):
    threads = [threading.Thread(target=node.measure, args=(work.first, work.in_batch)) for node in work.nodes.values()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"%s %s ms" % (kind, name): percentile(values, share)
            for kind, values in (("first", work.first), ("in batch", work.in_batch))
            for name, share in (("p50", 0.5), ("p99", 0.99))}


def peer(work):
    return {}
