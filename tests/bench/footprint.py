# SPDX-License-Identifier: Apache-2.0
"""What the resident programs cost a kubeadm control-plane node that is quiet: each, all together, and each peer beside
them on the same node. BENCH_IDLE_SECONDS: how long it is left alone (600)."""
import glob
import os
import re
import statistics
import subprocess
import time

from work import TOP

SUMMARY = "all capabilities configured; node_exporter, collectd and monit as Debian starts them, on the same node"
GOALS = {"PSS MB": 1.0, "private MB": 1.0}
LIMITS = {"PSS MB": 18, "private MB": 8, "CPU percent": 0.1}

OURS = ("agent", "custom-ca", "etcd-backup", "gateway", "kube-api-filter", "node-health", "proxy", "registry-mirror")
PEERS = {"node_exporter": "prometheus-node-exporter", "collectd": "collectd", "monit": "monit"}
# The first snapshot, the first look at all certificates, the back-off of what came up together.
WARM_UP_SECONDS = 60
IDLE_SECONDS = int(os.environ.get("BENCH_IDLE_SECONDS", "600"))
# Some are awake for a moment only: what counts is the median over the time, and the most is shown beside it.
SAMPLE_SECONDS = 10
TICKS = os.sysconf("SC_CLK_TCK")


def parent(pid):
    with open("/proc/%d/stat" % pid) as stat:
        return int(stat.read().rsplit(")", 1)[1].split()[1])


def unit_pids(instance, unit):
    """Those that stay: what one of them has begun for a moment is counted with it, when it has ended."""
    pids = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/cgroup" % pid) as cgroup:
                if re.search(r"%s\S*/%s\.service" % (re.escape(instance), re.escape(unit)), cgroup.read()):
                    pids.append((int(pid), parent(int(pid))))
        except OSError:
            pass
    own = {pid for pid, _ in pids}
    return [pid for pid, begun_by in pids if begun_by not in own]


def use_programs(pid):
    """A node that has memory left keeps what programs were read from. Some virtual machines do not: they give file pages
    that nobody maps to their host within a minute or two, and each process that begins would be charged for the disk."""
    root = "/proc/%d/root" % pid
    for pattern in ("/usr/lib/*-linux-gnu/*.so*", "/usr/lib/capi-node-agent/**"):
        for path in filter(os.path.isfile, glob.glob(root + pattern, recursive=True)):
            with open(path, "rb") as program:
                while program.read(1 << 20):
                    pass


def pages_read_again():
    with open("/proc/vmstat") as vmstat:
        return sum(int(line.split()[1]) for line in vmstat if line.startswith("workingset_refault_file"))


def setup(work):
    node = subprocess.Popen([os.path.join(TOP, "tests/bench/control-plane")], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            text=True)
    work.children.append(node)
    instance = node.stdout.readline().strip()
    assert instance, "the node does not come up"
    units = dict({name: "capi-node-" + name for name in OURS}, **PEERS)
    work.sides = {name: unit_pids(instance, unit) for name, unit in units.items()}
    for name, pids in work.sides.items():
        assert pids, name + " does not run"
    time.sleep(WARM_UP_SECONDS)
    work.refaults = pages_read_again()
    work.began = time.monotonic()
    work.before = {name: cpu_seconds(pids) for name, pids in work.sides.items()}
    work.samples = []
    while time.monotonic() < work.began + IDLE_SECONDS:
        use_programs(work.sides["agent"][0])
        time.sleep(SAMPLE_SECONDS)
        work.samples.append({name: memory(pids) for name, pids in work.sides.items()})
    work.load = os.getloadavg()
    work.refaults = pages_read_again() - work.refaults


def cpu_seconds(pids):
    """The processes' own, and that of the children which they waited for: probes run in those."""
    spent = 0
    for pid in pids:
        with open("/proc/%d/stat" % pid) as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        spent += sum(int(field) for field in fields[11:15])
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


def used_over_time(work, names):
    return [[sum(sample[name][of] for name in names) for sample in work.samples] for of in (0, 1)]


def measure(work, *names):
    pids = [pid for name in names for pid in work.sides[name]]
    pss, private = (statistics.median(used) for used in used_over_time(work, names))
    spent = cpu_seconds(pids) - sum(work.before[name] for name in names)
    return {"PSS MB": pss, "private MB": private, "CPU percent": 100 * spent / (time.monotonic() - work.began)}


def ours(work):
    return measure(work, *OURS)


peers = {name: lambda work, name=name: measure(work, name) for name in PEERS}


def parts(work):
    """Each program alone, how busy the machine was (a wake-up costs more where others run), and how much it read again."""
    for name in (*OURS, *PEERS):
        for metric, value in measure(work, name).items():
            yield name, metric, value
    for metric, used in zip(("most PSS MB", "most private MB"), used_over_time(work, OURS)):
        yield "all", metric, max(used)
    yield "machine", "load of 15 minutes", work.load[2]
    yield "machine", "file pages read again", work.refaults
