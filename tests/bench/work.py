# SPDX-License-Identifier: Apache-2.0
"""What every bench needs: our programs built as they are released, a scratch directory, and a measured run."""
import os
import select
import shutil
import subprocess
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CACHE = "/var/cache/capi-node-agent"
BUILD = os.path.join(TOP, "build-bench")
POLL_SECONDS = 0.005


def parse_size(text):
    return int(float(text.rstrip("KMG")) * {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}.get(text[-1], 1))


def chroot(suite, *packages):
    command = [os.path.join(TOP, "tests/chroot"), suite, *packages]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def peak_kib(pid):
    # Of the program's own memory. rusage would count that of the Python it was forked from.
    try:
        with open("/proc/%d/status" % pid) as status:
            return next((int(line.split()[1]) for line in status if line.startswith("VmHWM:")), 0)
    except OSError:
        return 0


class Work:
    """One bench's surroundings; what is entered in `children` and `directory` goes when it ends."""

    def __init__(self, size):
        self.size = size
        self.children = []
        self.directory = None

    def __enter__(self):
        if not os.path.exists(os.path.join(BUILD, "build.ninja")):
            subprocess.run(["meson", "setup", BUILD, TOP, "--buildtype=debugoptimized", "-Dtests=false",
                            "-Din-place=true"], check=True, stdout=subprocess.DEVNULL)
        subprocess.run(["ninja", "-C", BUILD], check=True, stdout=subprocess.DEVNULL)
        self.directory = tempfile.mkdtemp(prefix="capi-node-bench.", dir="/var/tmp")
        return self

    def __exit__(self, *_):
        for child in self.children:
            child.terminate()
            child.wait()
        shutil.rmtree(self.directory)

    def path(self, *parts):
        return os.path.join(self.directory, *parts)

    def program(self, *parts):
        return os.path.join(BUILD, *parts)

    def run(self, command, **options):
        """Runs it to its end, which must be good; what it took."""
        options.setdefault("stdout", subprocess.DEVNULL)
        started, peak = time.monotonic(), 0
        with open(self.path("errors"), "wb") as errors:
            child = subprocess.Popen(command, stderr=errors, **options)
            end = os.pidfd_open(child.pid)
            # Readable at once when it has ended: what takes 10 ms is not measured in steps of POLL_SECONDS.
            while not select.select([end], [], [], POLL_SECONDS)[0]:
                peak = max(peak, peak_kib(child.pid))
            wall = time.monotonic() - started
            os.close(end)
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            with open(self.path("errors"), errors="replace") as text:
                raise SystemExit("%s: %d\n%s" % (" ".join(command), child.returncode, text.read()))
        return {"wall seconds": wall, "CPU seconds": usage.ru_utime + usage.ru_stime, "peak MB": peak / 1024}
