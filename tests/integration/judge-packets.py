#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the rules that nft shows would do with packets: the third opinion beside the list and the kernel.

usage: judge-packets.py <PACKETS

Each line of the input is "ADDRESS PORT": a TCP SYN that comes in from there by another interface than lo. For each, a line
"VERDICT COUNTER": what becomes of it in the table inet capi_node_agent of this network namespace, and the last counter on its
way. Whatever is in the rules that is not known here is an error.
"""
import ipaddress
import json
import subprocess
import sys

TABLE = ("inet", "capi_node_agent")


def bounds(element):
    """The first and the last of an element of a set or map."""
    if isinstance(element, dict) and "elem" in element:
        element = element["elem"]["val"]
    if isinstance(element, int):
        return element, element
    if isinstance(element, str):
        number = int(ipaddress.ip_address(element))
        return number, number
    if "prefix" in element:
        network = ipaddress.ip_network("%(addr)s/%(len)d" % element["prefix"])
        return int(network[0]), int(network[-1])
    return tuple(int(ipaddress.ip_address(end)) for end in element["range"])


def load():
    text = subprocess.run(["nft", "-j", "list", "table", *TABLE], check=True, stdout=subprocess.PIPE).stdout
    sets, chains, base = {}, {}, None
    for item in json.loads(text)["nftables"]:
        (kind, body), = item.items()
        if kind == "set":
            sets[body["name"]] = [bounds(element) for element in body.get("elem", [])]
        elif kind == "map":
            sets[body["name"]] = [(*bounds(key), verdict) for key, verdict in body.get("elem", [])]
        elif kind == "chain":
            chains[body["name"]] = []
            if "hook" in body:
                base = body
        elif kind == "rule":
            chains[body["chain"]].append(body["expr"])
    return sets, chains, base


class Packet:
    def __init__(self, address, port):
        self.address, self.port, self.counter = ipaddress.ip_address(address), int(port), None

    def field(self, left):
        """What is compared, or None where the packet has no such thing."""
        if left == {"meta": {"key": "nfproto"}}:
            return "ipv%d" % self.address.version
        if left == {"meta": {"key": "iifname"}}:
            return "link0"
        if left == {"fib": {"result": "type", "flags": "saddr"}} or left == {"fib": {"result": "type", "flags": ["saddr"]}}:
            return "unicast"
        if left == {"&": [{"payload": {"protocol": "tcp", "field": "flags"}}, ["syn", "ack"]]}:
            return "syn"
        if left == {"payload": {"protocol": "tcp", "field": "dport"}}:
            return self.port
        if left == {"payload": {"protocol": "ip", "field": "saddr"}}:
            return self.address if self.address.version == 4 else None
        if left == {"payload": {"protocol": "ip6", "field": "saddr"}}:
            return self.address if self.address.version == 6 else None
        raise SystemExit("unknown match: %s" % json.dumps(left))

    def matches(self, match, sets):
        found, right = self.field(match["left"]), match["right"]
        if found is None:
            return False
        if isinstance(right, str) and right.startswith("@"):
            equal = any(first <= int(found) <= last for first, last in sets[right[1:]])
        elif isinstance(right, dict):
            first, last = bounds(right)
            equal = first <= int(found) <= last
        else:
            equal = found == right
        return equal == (match["op"] == "==")

    def run(self, chain, sets, chains):
        """A verdict, or None at the chain's end."""
        for rule in chains[chain]:
            for expression in rule:
                (kind, body), = expression.items()
                if kind == "match":
                    if not self.matches(body, sets):
                        break
                elif kind == "counter":
                    self.counter = body
                elif kind == "set":
                    pass  # remembers the source
                elif kind in ("accept", "drop"):
                    return kind
                elif kind == "jump":
                    verdict = self.run(body["target"], sets, chains)
                    if verdict:
                        return verdict
                elif kind == "vmap":
                    source = self.field(body["key"])
                    for first, last, jump in sets[body["data"][1:]] if source else []:
                        if first <= int(source) <= last:
                            verdict = self.run(jump["jump"]["target"], sets, chains)
                            if verdict:
                                return verdict
                elif kind == "goto":
                    return self.run(body["target"], sets, chains)
                else:
                    raise SystemExit("unknown statement: %s" % kind)
        return None


def main():
    sets, chains, base = load()
    if (base["hook"], base["prio"], base["policy"]) != ("input", -10, "accept"):
        raise SystemExit("unknown base chain: %s" % json.dumps(base))
    for line in sys.stdin:
        packet = Packet(*line.split())
        verdict = packet.run(base["name"], sets, chains)
        print(verdict or base["policy"], packet.counter or "-")


main()
