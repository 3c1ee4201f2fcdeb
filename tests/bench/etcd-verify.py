# SPDX-License-Identifier: Apache-2.0
"""The proof of a saved database: ours with its SHA-256 and every page, the peers' without."""
import os
import statistics

import etcd

SUMMARY = "`verify snapshot.db` against `etcdutl snapshot status` (3.5) and `etcdctl snapshot status` (3.4)"
GOALS = {"wall seconds": 0.3, "CPU seconds": 1.0}
LIMITS = {"peak MB": 20}


def setup(work):
    work.etcd = etcd.start(work)
    work.saved = work.path("snapshot.db")
    work.run([*work.etcd.ctl(), "snapshot", "save", work.saved])
    work.etcd.stop()
    status_3_5(work)  # the file is in memory


def ours(work):
    return work.run([work.program("plugins/etcd-backup/etcd-backup"), "--root", work.directory, "verify", work.saved])


def status_3_5(work):
    return work.run([os.path.join(etcd.tools(), "etcdutl"), "snapshot", "status", work.saved])


def status_3_4(work):
    return work.run(["/usr/bin/etcdctl", "snapshot", "status", work.saved])


peers = {"etcdutl 3.5": status_3_5, "etcdctl 3.4": status_3_4}


def parts(work):
    """What nothing that finds a flipped byte anywhere can go below: SHA-256, which etcd sends of the whole, is one chain."""
    floor = [work.run(["openssl", "dgst", "-sha256", work.saved]) for _ in range(5)]
    for metric in GOALS:
        yield "openssl dgst -sha256 of the same bytes alone", metric, statistics.median(run[metric] for run in floor)
