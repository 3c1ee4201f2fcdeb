# SPDX-License-Identifier: Apache-2.0
"""From a plugin's report on disk to the condition on the Node object of a real API server: a change after a quiet time, and
one that follows soon, as when a service comes back. Three are written at once, as the agent finds them; who changes more
often than that waits for the end of a batch of 15 s, which tests/unit/test-publish-schedule.c proves."""
import os
import random
import subprocess
import threading
import time

from kubernetes import Kubernetes
from weather import make_root, write_weather

SUMMARY = "a report is renamed into place; a watch of the Nodes shows the condition, on nodes that change at their own times"
GOALS = {}
LIMITS = {"first p50 ms": 500, "first p99 ms": 1500, "second p50 ms": 500, "second p99 ms": 1500}

NODES = 36
ROUNDS = 3  # so many runs measure, half a minute each; the figures are of all so far
QUIET_SECONDS = 30  # two writes in a run, two batches of quiet before
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

    def measure(self, first, second):
        time.sleep(QUIET_SECONDS - 4 + random.uniform(0, 3))
        first.append(self.change())
        time.sleep(random.uniform(0, 1))
        second.append(self.change())


def setup(work):
    kubernetes = Kubernetes(work)
    work.first, work.second = [], []
    work.nodes = {node.name: node for node in (Node(work, kubernetes, number) for number in range(NODES))}
    threading.Thread(target=kubernetes.watch_nodes, daemon=True,
                     args=(lambda node: work.nodes[node["metadata"]["name"]].shown(node),)).start()
    for node in work.nodes.values():
        with node.seen:
            assert node.seen.wait_for(lambda: node.status == "True", PATIENCE_SECONDS), node.name


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def ours(work):
    if len(work.first) < NODES * ROUNDS:
        measure(work)
    return {"%s %s ms" % (kind, name): percentile(values, share)
            for kind, values in (("first", work.first), ("second", work.second))
            for name, share in (("p50", 0.5), ("p99", 0.99))}


def measure(work):
    threads = [threading.Thread(target=node.measure, args=(work.first, work.second)) for node in work.nodes.values()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def peer(work):
    return {}
