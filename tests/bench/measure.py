# SPDX-License-Identifier: MIT
"""What a process costs: seconds of CPU, memory, and the disk under it."""
import http.client
import os
import re
import threading
import time

TICK = os.sysconf("SC_CLK_TCK")


def cpu(pid):
    """CPU seconds of a process and its children, ended ones included."""
    total = 0
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open("/proc/%s/stat" % entry) as f:
                rest = f.read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(entry) == pid:
            total += sum(int(n) for n in rest[11:15])
        elif int(rest[1]) == pid:
            total += int(rest[11]) + int(rest[12])
    return total / TICK


def thread_cpu(pid, name):
    """CPU seconds of the threads of that name (of which the kernel keeps 15
    bytes), by the scheduler's own clock."""
    total = 0
    for task in os.listdir("/proc/%d/task" % pid):
        try:
            with open("/proc/%d/task/%s/comm" % (pid, task)) as f:
                if f.read().rstrip("\n") != name[:15]:
                    continue
            with open("/proc/%d/task/%s/schedstat" % (pid, task)) as f:
                total += int(f.read().split()[0])
        except OSError:
            continue
    return total / 1e9


def memory_mb(pid):
    """What the process has for itself (RssAnon): neither files nor LMDB."""
    with open("/proc/%d/status" % pid) as f:
        for line in f:
            if line.startswith("RssAnon"):
                return int(line.split()[1]) / 1024
    return 0


class Peak:
    """The most memory that a process had while this was running."""

    def __init__(self, pid):
        self.pid, self.mb = pid, 0.0
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)

    def watch(self):
        while not self.stopped.wait(0.05):
            self.mb = max(self.mb, memory_mb(self.pid))

    def __enter__(self):
        self.mb = memory_mb(self.pid)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        self.thread.join()


class Admin:
    """Metrics over one connection: a look costs the daemon some 100 us, where
    `ingestlayer status` would start a process each time."""

    def __init__(self, port):
        self.http = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def values(self, name, lane=None):
        """Of every series of that name, or of those of a lane."""
        self.http.request("GET", "/metrics")
        text = self.http.getresponse().read().decode()
        labels = r"\{[^}]*lane=\"%s\"[^}]*\}" % re.escape(lane) if lane else r"(?:\{[^}]*\})?"
        found = re.findall(r"^\w*%s%s (\S+)$" % (name, labels), text, re.M)
        if not found:
            raise RuntimeError("no metric %s:\n%s" % (name, text))
        return [float(v) for v in found]

    def lag(self, lane=None):
        """Events that the lane, or the one furthest behind, still has before it."""
        return max(self.values("lane_lag_events", lane))

    def drained(self, to=0, limit=900, lane=None):
        """Wait until no lane, or not this one, has more than that before it.
        Gives up after so many seconds without any progress."""
        least, until = self.lag(lane), time.monotonic() + limit
        while least > to:
            lag = self.lag(lane)
            if lag < least:
                least, until = lag, time.monotonic() + limit
            elif time.monotonic() > until:
                raise RuntimeError("a lane stands still with %d events to go" % lag)
            time.sleep(0.01)


def sync_seconds(folder, count, size=4096):
    """How long each of so many appends and fdatasyncs took, as the disk below
    a folder does them for one writer that asks for nothing else."""
    path, block, took = os.path.join(folder, "sync"), b"x" * size, []
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        for _ in range(count):
            began = time.perf_counter()
            os.write(fd, block)
            os.fdatasync(fd)
            took.append(time.perf_counter() - began)
    finally:
        os.close(fd)
        os.unlink(path)
    return took


def percentile(values, share):
    return sorted(values)[int(len(values) * share)]
