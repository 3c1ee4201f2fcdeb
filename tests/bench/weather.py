# SPDX-License-Identifier: Apache-2.0
"""A plugin of which nothing is there but its report, for the benches that wait for what becomes of it."""
import json
import os
import time


def make_root(root):
    for directory in "etc/capi-node-agent", "var/lib/capi-node-agent", "run/capi-node-agent/reports":
        os.makedirs(os.path.join(root, directory))
    return root


def write_weather(root, status):
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    with open("/proc/sys/kernel/random/boot_id") as file:
        boot_id = file.read().strip()
    report = {"apiVersion": "capi-node-agent/v1", "plugin": "weather", "version": "1", "pid": os.getpid(),
              "bootId": boot_id, "generatedAt": now, "validFor": "1d",
              "config": {"desired": None, "applied": None, "appliedAt": None, "lastError": None, "lastErrorAt": None},
              "conditions": [{"type": "WeatherFair", "status": status, "reason": "Sky", "message": "m",
                              "lastTransitionTime": now, "healthy": status == "True", "severity": "Warning"}],
              "requests": {"timers": [], "restart": []}, "metrics": []}
    reports = os.path.join(root, "run/capi-node-agent/reports")
    with open(os.path.join(reports, ".new"), "w") as file:
        json.dump(report, file)
    os.rename(os.path.join(reports, ".new"), os.path.join(reports, "weather.json"))
