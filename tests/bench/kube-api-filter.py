# SPDX-License-Identifier: Apache-2.0
"""A list of 100,000 networks, and a change of one among them: ours with state, preview and report, nft with nothing.
CAPI_NODE_BENCH_NETWORKS is another number of them."""
import ipaddress
import os
import subprocess
import time

SUMMARY = "`kube-api-filter apply` against `nft -f` and `nft add element`"
GOALS = {"load wall seconds": 0.5, "change wall seconds": 0.05}
LIMITS = {"load peak MB": 16, "another writer's longest wait ms": 20}

NETWORKS = int(os.environ.get("CAPI_NODE_BENCH_NETWORKS", "100000"))
PAUSE = 0.05

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


def namespace(work):
    """A network namespace of its own, as arguments that go before a command."""
    holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
    work.children.append(holder)
    while os.readlink("/proc/%d/ns/net" % holder.pid) == os.readlink("/proc/self/ns/net"):
        time.sleep(0.01)
    return ["nsenter", "--net=/proc/%d/ns/net" % holder.pid]


def network(i):
    # Never two that touch: nothing merges.
    return "%s/24" % ipaddress.ip_address(0x0B000000 + i * 512)


def make_root(work, name):
    root = work.path(name)
    for directory in ("etc/capi-node-agent", "run/capi-node-agent/reports", "var/lib/capi-node-agent"):
        os.makedirs(os.path.join(root, directory))
    with open(os.path.join(root, "etc/allow"), "w") as allow:
        allow.writelines(network(i) + "\n" for i in range(NETWORKS))
    path = os.path.join(root, "etc/capi-node-agent/kube-api-filter.json")
    with open(path, "w") as config:
        config.write('{ "allowFiles": ["/etc/allow"] }')
    os.chmod(path, 0o644)
    return root


def filter_program(work):
    return work.program("plugins/kube-api-filter/kube-api-filter")


def setup(work):
    work.turn = 0
    work.rules = work.path("rules.nft")
    with open(work.rules, "w") as rules:
        rules.write("table inet bench {\n set allow {\n type ipv4_addr; flags interval;\n elements = {\n")
        rules.write(",\n".join(network(i) for i in range(NETWORKS)))
        rules.write(" }\n }\n}\n")
    work.peer_namespace = namespace(work)
    work.run([*work.peer_namespace, "nft", "-f", work.rules])
    # A resident filter with the whole list confirmed: every later change is one of a single network.
    work.root, work.namespace = make_root(work, "resident"), namespace(work)
    work.children.append(subprocess.Popen([*work.namespace, filter_program(work), "--root", work.root, "daemon"],
                                          stderr=subprocess.DEVNULL))
    state = os.path.join(work.root, "var/lib/capi-node-agent/kube-api-filter/state.json")
    while not os.path.exists(state):
        time.sleep(PAUSE)
    for command in ("apply", "confirm"):
        work.run([*work.namespace, filter_program(work), "--root", work.root, command])


def with_writer(work, command, where):
    writer = subprocess.Popen([*where, "python3", "-c", WRITER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    writer.stdout.readline()
    result = work.run(command)
    out, _ = writer.communicate("end")
    return result, float(out)


def ours(work):
    work.turn += 1
    where, root = namespace(work), make_root(work, "load-%d" % work.turn)
    load, wait = with_writer(work, [*where, filter_program(work), "--root", root, "apply"], where)
    with open(os.path.join(work.root, "etc/allow"), "a") as allow:
        allow.write("%s/32\n" % ipaddress.ip_address(0xF0000000 + work.turn * 2))
    change = work.run([*work.namespace, filter_program(work), "--root", work.root, "apply"])
    return {"load wall seconds": load["wall seconds"], "load peak MB": load["peak MB"],
            "another writer's longest wait ms": wait, "change wall seconds": change["wall seconds"]}


def peer(work):
    where = namespace(work)
    load, wait = with_writer(work, [*where, "nft", "-f", work.rules], where)
    element = "{ %s }" % ipaddress.ip_address(0xF0000000 + work.turn * 2)
    change = work.run([*work.peer_namespace, "nft", "add", "element", "inet", "bench", "allow", element])
    return {"load wall seconds": load["wall seconds"], "load peak MB": load["peak MB"],
            "another writer's longest wait ms": wait, "change wall seconds": change["wall seconds"]}
