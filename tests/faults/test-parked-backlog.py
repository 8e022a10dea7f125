#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A great many events wait to be sent again: they take no memory, a kill -9 and
the start after it take no longer for them, nothing is held up by them, and once
they are due each is delivered, once.

--events says how many; `make check-faults` has a million."""
import argparse
import json
import os
import sys
import time

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", part) for part in ("lib", "bench")]
from each import Each  # noqa: E402
from gate import Failed, equal  # noqa: E402
from measure import memory_mb  # noqa: E402
from servers import PATIENCE, under_a_checker  # noqa: E402

BATCH = 500
HOUR_MS = 3600000
MOST = 1000000   # that a lane parks; then it reads no more, and says so
MEMORY_MB = 24   # what a daemon may have more with all of them than with a tenth
RESTART_S = 3.0  # and a start


class Backlog(Each):
    def __init__(self):
        super().__init__(start=False)
        self.offset = self.most = 0
        self.jump(0)
        self.daemon.env["INGESTLAYER_CLOCK_FILE"] = self.path("clock")
        self.plan("* fail 1 %d" % HOUR_MS)

    def jump(self, seconds):
        self.offset += seconds
        with open(self.path("clock.new"), "w") as f:
            f.write("%d\n" % (self.offset * 1000000))
        os.rename(self.path("clock.new"), self.path("clock"))

    def start(self):
        """Seconds until it is ready."""
        began = time.monotonic()
        self.daemon.start()
        return time.monotonic() - began

    def memory(self):
        now = memory_mb(self.daemon.proc.pid)
        self.most = max(self.most, now)
        return now

    def until(self, condition, what, still=60):
        """condition gives a number that grows, or True.  Fails once it has not
        for so long."""
        last, end = None, time.monotonic() + still * PATIENCE
        while (now := condition()) is not True:
            if now != last:
                last, end = now, time.monotonic() + still * PATIENCE
            elif time.monotonic() > end:
                raise Failed("it stands still at %s: %s; %s" % (now, what, self.lane()))
            self.memory()
            time.sleep(0.1)
        self.memory()

    def parks(self, count):
        def look():
            parked = self.lane()["parked"]
            return parked == count or parked
        self.until(look, "%d events wait" % count)

    def lines(self):
        """How many were delivered; ends of lines are counted, nothing is kept."""
        if not os.path.exists(self.path("out")):
            return 0
        with open(self.path("out"), "rb") as f:
            return sum(part.count(b"\n") for part in iter(lambda: f.read(1 << 20), b""))


def park(s, first, last):
    """Events first to last - 1 are posted, and fail."""
    for n in range(first, last, BATCH):
        s.post(*("e%d" % i for i in range(n, min(n + BATCH, last))))
    s.parks(last)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--events", type=int, default=20000)
    count = p.parse_args().events
    tenth = count // 10
    with Backlog() as s:
        empty = s.start()
        began = time.monotonic()
        park(s, 0, tenth)
        before = s.most
        park(s, tenth, count)
        parked_in, parked_most = time.monotonic() - began, s.most
        disk = os.path.getsize(s.path("state/parked/data.mdb")) if os.path.exists(s.path("state/parked/data.mdb")) else 0

        s.daemon.kill()
        full = s.start()
        s.parks(count)
        after = s.memory()
        # What comes now passes by, as long as there may be more.
        s.plan("other fail 1 1")
        s.post("at-once")
        if count < MOST:
            s.becomes(["at-once"], "what comes now is delivered")
        else:
            s.until(lambda: "there may be no more" in json.dumps(s.lane()), "the lane says that it is full")
            equal(s.delivered(), [], "nothing is due")

        s.jump(2 * 3600)
        began = time.monotonic()
        s.until(lambda: s.lines() == count + 1 or s.lines(), "all are delivered")
        s.parks(0)
        delivered_in = time.monotonic() - began
        got = s.delivered()
        equal(len(got), count + 1, "deliveries")
        equal(set(got) == {"e%d" % i for i in range(count)} | {"at-once"}, True, "they are those that were sent")
        print("%d events: parked in %.0f s; memory %.1f MB with a tenth of them, %.1f MB with all, %.1f MB after a kill,"
              " %.1f MB at most; start %.2f s with none, %.2f s with all; delivered in %.0f s; %d MB on disk" % (
                  count, parked_in, before, parked_most, after, s.most, empty, full, delivered_in, disk >> 20))
        if not under_a_checker():
            equal(s.most - before < MEMORY_MB, True, "memory grows by less than %d MB" % MEMORY_MB)
            equal(full - empty < RESTART_S, True, "the start takes no more than %.0f s longer" % RESTART_S)


if __name__ == "__main__":
    main()
