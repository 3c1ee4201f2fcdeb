# SPDX-License-Identifier: Apache-2.0
"""Lists of 1,000, 10,000 and 100,000 networks put in force, and one network more on the longest: ours by the resident filter,
from the moment that the file has changed until the kernel has the list, state saved; nft -f, and nft add element, from their
start to their end; beside another writer, and alone. What a connection costs with the filter and without; how fast a table
that somebody removed is there again: of the longest list, until packets are judged again, and until it is whole."""
import ipaddress
import os
import statistics
import subprocess
import sys
import time

SUMMARY = "a changed allowFile against `nft -f` and `nft add element`, and connections against no filter"
SIZES = (1000, 10000, 100000)
GOALS = {"load %d wall seconds" % n: 0.5 for n in SIZES}
GOALS.update({"load %d alone wall seconds" % n: 0.5 for n in SIZES})
GOALS["repair %d wall seconds" % SIZES[-1]] = 0.5
GOALS.update({"change wall seconds": 0.05, "loopback connection CPU us": 1.1, "listed connection CPU us": 1.1})
LIMITS = {"resident peak MB": 16, "resident MB after changes": 16, "another writer's longest wait ms": 20,
          "repair p99 ms": 50, "repair %d until judged ms" % SIZES[-1]: 50}

PAUSE = 0.01
REPAIRS = 10  # in a minute; more are put off
STORMS = 11

# Small transactions of another writer, one after the other: an empty table made and removed. Prints the longest.
WRITER = r'''
import select, socket, struct, time
def message(type, flags, family, resource, body=b""):
    size = 20 + len(body)
    return struct.pack("=IHHII", size, type, flags | 1, 1, 0) + struct.pack("=BBH", family, 0, socket.htons(resource)) + body
name = struct.pack("=HH", 4 + 6, 1) + b"other\0" + b"\0\0"
batch = (message(16, 0, 0, 10) + message(0x0A00, 0x400, 1, 0, name) + message(0x0A02, 4, 1, 0, name) + message(17, 0, 0, 10))
link = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
link.bind((0, 0))
longest = 0
print("ready", flush=True)

while not select.select([0], [], [], 0)[0]:
    began = time.monotonic()
    link.send(batch)
    link.recv(65536)
    longest = max(longest, time.monotonic() - began)
    time.sleep(0.001)
print(longest * 1000)
'''

# Removes the table, waits for the transaction that makes it anew, ten times. Prints the milliseconds.
DESTROYER = r'''
import socket, struct, time
def message(type, flags, family, resource, body=b""):
    size = 20 + len(body)
    return struct.pack("=IHHII", size, type, flags | 1, 1, 0) + struct.pack("=BBH", family, 0, socket.htons(resource)) + body
name = struct.pack("=HH", 4 + 16, 1) + b"capi_node_agent\0"
batch = message(16, 0, 0, 10) + message(0x0A02, 4, 1, 0, name) + message(17, 0, 0, 10)
INPUT = struct.pack("=HH", 4 + 6, 2) + b"input\0"  # the chain that a rule is of
link, events = (socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12) for _ in range(2))
link.bind((0, 0))
events.bind((0, 0))
events.setsockopt(270, 1, 7)  # NFNLGRP_NFTABLES
events.settimeout(20)
for _ in range(%d):
    began, rules = time.monotonic(), 0
    link.send(batch)
    link.recv(65536)
    # Its end: the event behind the rules of the chain that judges.
    while True:
        data, at = events.recv(1 << 20), 0
        while at < len(data):
            size, type = struct.unpack_from("=IH", data, at)
            if type == 0x0A06 and INPUT in data[at:at + size]:
                rules += 1
            if type == 0x0A0F and rules:
                break
            at += (size + 3) & ~3
        else:
            continue
        break
    print((time.monotonic() - began) * 1000)
''' % REPAIRS

# The same with a long list, of which a listener would overflow: asks for the base chain's rules until there are some, and until
# they are not a cover's. Prints both times, in milliseconds.
LONG_DESTROYER = r'''
import socket, struct, time
def message(type, flags, family, resource, body=b""):
    size = 20 + len(body)
    return struct.pack("=IHHII", size, type, flags | 1, 1, 0) + struct.pack("=BBH", family, 0, socket.htons(resource)) + body
name = struct.pack("=HH", 4 + 16, 1) + b"capi_node_agent\0"
batch = message(16, 0, 0, 10) + message(0x0A02, 4, 1, 0, name) + message(17, 0, 0, 10)
dump = message(0x0A07, 0x300, 1, 0, name + struct.pack("=HH", 4 + 6, 2) + b"input\0\0\0")
link, asking = (socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12) for _ in range(2))
link.bind((0, 0))
asking.bind((0, 0))
began, judged, whole = time.monotonic(), 0, False
link.send(batch)
link.recv(65536)
while not whole:
    time.sleep(0.02 if judged else 0.0005)
    asking.send(dump)
    rules = b""
    while not rules or struct.unpack_from("=IH", data)[1] not in (2, 3):
        data = asking.recv(1 << 20)
        rules += data
    judged = judged or b" list sha256:" in rules and time.monotonic()
    whole = judged and b"cover of" not in rules
print((judged - began) * 1000, (time.monotonic() - began) * 1000)
'''

# Connections one after the other; prints the processor's microseconds for each. The packets are handled in its own time.
STORM = r'''
import resource, socket, struct, sys
source, target, n = sys.argv[1], sys.argv[2], 1000
listener = socket.create_server((target, 6443), backlog=64) if source == target else None
used = resource.getrusage(resource.RUSAGE_SELF)
for _ in range(n):
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.bind((source, 0))
    try:
        client.connect((target, 6443))
    except ConnectionRefusedError:
        pass
    if listener:
        listener.accept()[0].close()
    client.close()
now = resource.getrusage(resource.RUSAGE_SELF)
print((now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime) / n * 1e6)
'''


def namespace(work):
    """A network namespace of its own, as arguments that go before a command; its process."""
    holder = subprocess.Popen(["unshare", "--net", "sh", "-c", "ip link set lo up && echo && exec sleep infinity"],
                              stdout=subprocess.PIPE)
    work.children.append(holder)
    holder.stdout.readline()
    return ["nsenter", "--net=/proc/%d/ns/net" % holder.pid], holder.pid


def neighbours(work):
    """Two namespaces with a link between them: 192.0.2.1 of the first, 11.0.0.1 (which is on every list) of the second."""
    (node, _), (client, pid) = namespace(work), namespace(work)
    for command in ([*node, "ip", "link", "add", "link0", "type", "veth", "peer", "name", "link0", "netns", str(pid)],
                    [*node, "ip", "address", "add", "192.0.2.1/24", "dev", "link0"],
                    [*node, "ip", "link", "set", "link0", "up"],
                    [*client, "ip", "address", "add", "11.0.0.1/24", "dev", "link0"],
                    [*client, "ip", "link", "set", "link0", "up"],
                    [*client, "ip", "route", "add", "192.0.2.0/24", "dev", "link0"],
                    [*node, "ip", "route", "add", "11.0.0.0/24", "dev", "link0"]):
        work.run(command)
    return node, client


def listeners():
    """Who, in whatever network namespace, listens to nftables: the kernel then makes a message of each element that anybody
    loads, which takes up to twice as long."""
    found, seen = [], set()
    for process in filter(str.isdigit, os.listdir("/proc")):
        try:
            where = os.readlink("/proc/%s/ns/net" % process)
            if where in seen:
                continue
            seen.add(where)
            with open("/proc/%s/net/netlink" % process) as sockets:
                rows = [line.split() for line in sockets]
        except OSError:
            continue
        # Protocol 12 is netfilter's, bit 6 of the groups NFNLGRP_NFTABLES.
        found += ["%s (as process %s is in)" % (where, process) for row in rows if row[1] == "12" and int(row[3], 16) & 64]
    return found


def network(i):
    # Never two that touch: nothing merges.
    return "%s/24" % ipaddress.ip_address(0x0B000000 + i * 512)


def output(command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split()


class Filter:
    """A resident filter with one network in force."""

    def __init__(self, work, where, name):
        self.work, self.where, self.root = work, where, work.path(name)
        for directory in ("etc/capi-node-agent", "run/capi-node-agent/reports", "var/lib/capi-node-agent"):
            os.makedirs(os.path.join(self.root, directory))
        self.allow(1)
        path = os.path.join(self.root, "etc/capi-node-agent/kube-api-filter.json")
        with open(path, "w") as config:
            config.write('{ "allowFiles": ["/etc/allow"] }')
        os.chmod(path, 0o644)
        self.program = work.program("plugins/kube-api-filter/kube-api-filter")
        self.process = subprocess.Popen([*where, self.program, "--root", self.root, "daemon"], stderr=subprocess.DEVNULL)
        work.children.append(self.process)
        state = os.path.join(self.root, "var/lib/capi-node-agent/kube-api-filter/state.json")
        while not os.path.exists(state):
            time.sleep(PAUSE)
        self.run("apply")
        self.run("confirm")

    def allow(self, n, *more):
        """Replaces the file; returns when."""
        path = os.path.join(self.root, "etc/allow")
        with open(path + ".new", "w") as allow:
            allow.writelines(network(i) + "\n" for i in range(n))
            allow.writelines(line + "\n" for line in more)
        now = time.monotonic()
        os.rename(path + ".new", path)
        return now

    def put_in_force(self, *networks):
        """How long until a list that grows is in force: then the one before is removed from the state."""
        lists = os.path.join(self.root, "var/lib/capi-node-agent/kube-api-filter/lists")
        before, = (os.path.join(lists, name) for name in os.listdir(lists))
        began = self.allow(*networks)
        while os.path.exists(before):
            time.sleep(PAUSE / 100)
        return time.monotonic() - began

    def run(self, command):
        return self.work.run([*self.where, self.program, "--root", self.root, command])

    def memory(self, key):
        with open("/proc/%d/status" % self.process.pid) as status:
            return next(int(line.split()[1]) for line in status if line.startswith(key)) / 1024

    def stop(self):
        self.work.children.remove(self.process)
        self.process.terminate()
        self.process.wait()


def with_writer(where, command):
    writer = subprocess.Popen([*where, sys.executable, "-c", WRITER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    writer.stdout.readline()
    result = command()
    out, _ = writer.communicate("end")
    return result, float(out)


def storms(*sides):
    """What a connection costs on each side, a pair of namespaces: by turns, so that what else the machine does meets all of
    them, and the medians of that."""
    costs = [{"loopback connection CPU us": [], "listed connection CPU us": []} for _ in sides]
    for _ in range(STORMS):
        for (node, client), cost in zip(sides, costs):
            for metric, where, addresses in (("loopback connection CPU us", node, ("127.0.0.1", "127.0.0.1")),
                                             ("listed connection CPU us", client, ("11.0.0.1", "192.0.2.1"))):
                cost[metric].append(float(output([*where, sys.executable, "-c", STORM, *addresses])[0]))
    return [{metric: statistics.median(values) for metric, values in cost.items()} for cost in costs]


def setup(work):
    work.turn = 0
    work.unfiltered = []  # connections without the filter, measured beside those with it, for the peer's turn
    for where in listeners():
        print("kube-api-filter: somebody listens to nftables in %s, which slows every load down" % where, file=sys.stderr)
    work.rules = {n: work.path("rules-%d.nft" % n) for n in SIZES}
    for n, path in work.rules.items():
        with open(path, "w") as rules:
            rules.write("table inet bench {\n set allow {\n type ipv4_addr; flags interval;\n elements = {\n")
            rules.write(",\n".join(network(i) for i in range(n)))
            rules.write(" }\n }\n}\n")


def ours(work):
    work.turn += 1
    node, client = neighbours(work)
    resident = Filter(work, node, "resident-%d" % work.turn)
    result, longest = {}, 0
    for n in SIZES:
        result["load %d wall seconds" % n], wait = with_writer(node, lambda: resident.put_in_force(n))
        longest = max(longest, wait)
    result["change wall seconds"] = resident.put_in_force(n, "240.0.0.0/32")
    filtered, unfiltered = storms((node, client), neighbours(work))
    result.update(filtered)
    if work.unfiltered:
        work.unfiltered.pop().update(unfiltered)  # the peer had its turn already
    else:
        work.unfiltered.append(unfiltered)
    result["another writer's longest wait ms"] = longest
    result["resident peak MB"] = resident.memory("VmHWM")
    result["resident MB after changes"] = resident.memory("VmRSS")
    resident.stop()
    alone = Filter(work, namespace(work)[0], "alone-%d" % work.turn)
    for n in SIZES:
        result["load %d alone wall seconds" % n] = alone.put_in_force(n)
    judged, whole = (float(word) for word in output([*alone.where, sys.executable, "-c", LONG_DESTROYER]))
    result["repair %d until judged ms" % n] = judged
    result["repair %d wall seconds" % n] = whole / 1000
    alone.stop()
    small = Filter(work, namespace(work)[0], "small-%d" % work.turn)
    latencies = sorted(float(line) for line in output([*small.where, sys.executable, "-c", DESTROYER]))
    small.stop()
    result["repair p99 ms"] = latencies[-1]
    return result


def peer(work):
    node, _ = namespace(work)
    result, longest = {}, 0
    for n in SIZES:
        work.run([*node, "nft", "flush", "ruleset"])
        load, wait = with_writer(node, lambda: work.run([*node, "nft", "-f", work.rules[n]]))
        result["load %d wall seconds" % n] = load["wall seconds"]
        result["resident peak MB"] = load["peak MB"]
        longest = max(longest, wait)
    for n in SIZES:
        work.run([*node, "nft", "flush", "ruleset"])
        result["load %d alone wall seconds" % n] = work.run([*node, "nft", "-f", work.rules[n]])["wall seconds"]
    result["repair %d wall seconds" % n] = result["load %d alone wall seconds" % n]
    change = work.run([*node, "nft", "add", "element", "inet", "bench", "allow", "{ 240.0.0.0 }"])
    result["change wall seconds"] = change["wall seconds"]
    result["another writer's longest wait ms"] = longest
    if work.unfiltered:
        result.update(work.unfiltered.pop())
    else:
        work.unfiltered.append(result)
    return result
