# SPDX-License-Identifier: Apache-2.0
"""What the resident programs cost a node that is quiet: all of ours together, and each peer, at the same time."""
import json
import os
import subprocess
import time

from work import chroot

SUMMARY = "agent, gateway, node-health and etcd-backup together; node_exporter, collectd and monit with their Debian defaults"
GOALS = {"PSS MB": 1.0, "private MB": 1.0}
LIMITS = {"PSS MB": 18, "private MB": 8, "CPU percent": 0.1}

WARM_UP_SECONDS = 30
IDLE_SECONDS = int(os.environ.get("BENCH_IDLE_SECONDS", "600"))
TICKS = os.sysconf("SC_CLK_TCK")
PORTS = {"gateway": 10277, "node_exporter": 10278}


def start(work, name, *command):
    log = open(work.path(name + ".log"), "wb")
    work.children.append(subprocess.Popen(command, stdout=log, stderr=log))
    work.sides.setdefault(name.split(":")[0], []).append(work.children[-1].pid)


def start_in_chroot(work, name, root, *command):
    # In a mount namespace of its own, whose /proc goes with it.
    start(work, name, "unshare", "--mount", "sh", "-c",
          'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"', root, *command)


def setup(work):
    work.sides = {}
    for directory in "etc/capi-node-agent", "var/lib/capi-node-agent", "run/capi-node-agent/reports":
        os.makedirs(work.path(directory))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                    "2", "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=client"], check=True, cwd=work.directory,
                   stderr=subprocess.DEVNULL)
    configurations = {"node-health": {}, "etcd-backup": {"cluster": "bench"},
                      "gateway": {"listen": ["127.0.0.1:%d" % PORTS["gateway"]], "clientCAFile": work.path("ca.crt"),
                                  "allow": {"commonNames": ["client"]}}}
    for name, configuration in configurations.items():
        with open(work.path("etc/capi-node-agent", name + ".json"), "w") as file:
            json.dump(configuration, file)
        os.chmod(file.name, 0o644)
    for program in "agent/agent/capi-node-agent", "plugins/node-health/node-health", "plugins/etcd-backup/etcd-backup":
        start(work, "ours:" + os.path.basename(program), work.program(program), "--root", work.directory, "daemon")
    deadline = time.monotonic() + 30
    while not os.path.exists(work.path("run/capi-node-agent/gateway/gateway.json")):
        assert time.monotonic() < deadline, "the agent places nothing"
        time.sleep(0.1)
    start(work, "ours:gateway", work.program("agent/gateway/capi-node-gateway"), "--root", work.directory, "daemon")

    root = chroot("bookworm", "collectd-core", "libmnl0", "libudev1", "monit", "prometheus-node-exporter")
    for directory in "proc", "run":
        os.makedirs(os.path.join(root, directory), exist_ok=True)
    start(work, "node_exporter", os.path.join(root, "usr/bin/prometheus-node-exporter"),
          "--web.listen-address=127.0.0.1:%d" % PORTS["node_exporter"])
    with open(os.path.join(root, "collectd.conf"), "w") as file:
        file.write("Interval 10\nFQDNLookup false\n" + "".join("LoadPlugin %s\n" % plugin for plugin in (
            "cpu", "df", "disk", "interface", "load", "memory", "processes", "swap", "users")))
    start_in_chroot(work, "collectd", root, "/usr/sbin/collectd", "-f", "-C", "/collectd.conf")
    with open(os.path.join(root, "etc/passwd"), "w") as file:
        file.write("root:x:0:0:root:/root:/bin/sh\n")
    with open(os.path.join(root, "monitrc"), "w") as file:
        file.write("set daemon 120\nset pidfile /run/bench-monit.pid\nset idfile /run/bench-monit.id\n"
                   "set statefile /run/bench-monit.state\ncheck system node\n if loadavg (5min) > 100 then alert\n"
                   "check filesystem root with path /\n if space usage > 99% then alert\n")
    os.chmod(file.name, 0o600)
    start_in_chroot(work, "monit", root, "/usr/bin/monit", "-I", "-c", "/monitrc")
    time.sleep(WARM_UP_SECONDS)
    work.started = {name: (time.monotonic(), cpu_seconds(pids)) for name, pids in work.sides.items()}
    time.sleep(IDLE_SECONDS)


def cpu_seconds(pids):
    spent = 0
    for pid in pids:
        with open("/proc/%d/stat" % pid) as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        spent += int(fields[11]) + int(fields[12])
    return spent / TICKS


def memory(pids):
    total = {"Pss": 0, "Private_Clean": 0, "Private_Dirty": 0}
    for pid in pids:
        with open("/proc/%d/smaps_rollup" % pid) as rollup:
            for line in rollup:
                name = line.split(":")[0]
                if name in total:
                    total[name] += int(line.split()[1])
    return total["Pss"] / 1024, (total["Private_Clean"] + total["Private_Dirty"]) / 1024


def side(name):
    def measured(work):
        started, before = work.started[name]
        pss, private = memory(work.sides[name])
        spent = cpu_seconds(work.sides[name]) - before
        return {"PSS MB": pss, "private MB": private, "CPU percent": 100 * spent / (time.monotonic() - started)}
    return measured


ours = side("ours")
peers = {name: side(name) for name in ("node_exporter", "collectd", "monit")}
