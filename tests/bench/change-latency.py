# SPDX-License-Identifier: Apache-2.0
"""From a plugin's report on disk to the answer of a long poll, through the agent and the gateway."""
import http.client
import json
import os
import ssl
import subprocess
import time

from weather import make_root, write_weather

SUMMARY = "a report is renamed into place; /v1/health?wait answers with the change"
GOALS = {}
LIMITS = {"p50 ms": 50, "p99 ms": 250}

CHANGES = 200
PORT = 10276


def setup(work):
    work.changes = 0
    make_root(work.directory)
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    subprocess.run(["openssl", "req", "-x509", *curve, "-days", "2", "-keyout", "ca.key", "-out", "ca.crt", "-subj",
                    "/CN=client"], check=True, cwd=work.directory, stderr=subprocess.DEVNULL)
    with open(work.path("etc/capi-node-agent/gateway.json"), "w") as file:
        json.dump({"listen": ["127.0.0.1:%d" % PORT], "clientCAFile": work.path("ca.crt"),
                   "allow": {"commonNames": ["client"]}}, file)
    for name in "agent", "gateway":
        log = open(work.path(name + ".log"), "wb")
        command = [work.program("agent", name, "capi-node-" + name), "--root", work.directory, "daemon"]
        work.children.append(subprocess.Popen(command, stdout=log, stderr=log))
        placed = work.path("run/capi-node-agent/gateway/gateway.json")
        deadline = time.monotonic() + 20
        while not os.path.exists(placed):
            assert time.monotonic() < deadline, "the agent places nothing"
            time.sleep(0.05)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.load_cert_chain(work.path("ca.crt"), work.path("ca.key"))
    deadline = time.monotonic() + 20
    while True:
        work.connection = http.client.HTTPSConnection("127.0.0.1", PORT, context=context, timeout=60)
        try:
            work.connection.connect()
            break
        except OSError:
            assert time.monotonic() < deadline, "the gateway does not answer"
            time.sleep(0.1)


def write_report(work):
    work.changes += 1
    write_weather(work.directory, "True" if work.changes % 2 else "False")


def get(work, target, etag=None):
    work.connection.request("GET", target, headers={"If-None-Match": etag} if etag else {})
    answer = work.connection.getresponse()
    answer.read()
    return answer.status, answer.headers["ETag"]


def ours(work):
    times = []
    write_report(work)
    time.sleep(2)
    for _ in range(CHANGES):
        _, etag = get(work, "/v1/health")
        work.connection.request("GET", "/v1/health?wait=30", headers={"If-None-Match": etag})
        time.sleep(0.02)  # the request waits there by now
        started = time.perf_counter()
        write_report(work)
        answer = work.connection.getresponse()
        times.append((time.perf_counter() - started) * 1000)
        answer.read()
        assert answer.status == 200 and answer.headers["ETag"] != etag, answer.status
    times.sort()
    return {"p50 ms": times[len(times) // 2], "p99 ms": times[len(times) * 99 // 100]}


def peer(work):
    return {}
