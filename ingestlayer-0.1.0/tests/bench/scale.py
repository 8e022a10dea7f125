#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Cost, memory and rate as things grow; `make bench-scale`, or
`make bench-scale CASE=lanes`.

  backlog      Postgres away until 10 GB of W1f wait in the spool, then back
  entities     a lane that looks users up, of up to 10 million
  lanes        up to 50 pipelines, each with filter and look-up
  keys         the idempotency index alone, up to 100 million keys
  connections  one event a request, up to 5,000 senders and 10,000 idle ones
  sizes        events of 100 bytes to 1 MiB, HTTP to row

Each runs once.  Cost is seconds of CPU, which depends little on what else the
machine does; memory is what the process has for itself (RssAnon).  The data go
to scale.json and from there into results.svg and RESULTS.md, so that one case
can be measured anew."""
import argparse
import json
import math
import os
import re
import resource
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
import chart  # noqa: E402
from measure import Admin, Peak, cpu  # noqa: E402
from results import machine, replace_section  # noqa: E402
from rig import ALL, KEEP, TOOLS, Rig, discard, pipeline  # noqa: E402

HEADING = "## As it grows"
CHUNK = 500000  # events that the sender renders at once: 100 MB
LANE = """
  { name = "lane%d"; status = "%s"; sources = ( { source = "app"; match = "feature.used"; } );
    steps = ( { plugin = "filter.match"; where = "%s"; },
              { plugin = "enrich.entity"; kind = "user"; key = "$event.payload.user_id"; } );
    destinations = ( { plugin = "destination.null"; } ); }"""


def say(text):
    print(text, file=sys.stderr, flush=True)


class Meter:
    """What a stretch of events cost the daemon and Postgres."""

    def __init__(self, rig, d):
        self.rig, self.d = rig, d
        self.start()

    def start(self):
        self.ours, self.theirs, self.began = cpu(self.d.proc.pid), self.rig.pg_cpu(), time.monotonic()

    def read(self, events):
        took = time.monotonic() - self.began
        return {"ours": (cpu(self.d.proc.pid) - self.ours) * 1e6 / events, "rate": events / took,
                "pg": (self.rig.pg_cpu() - self.theirs) * 1e6 / events}


class Scale:
    def __init__(self, rig, scale):
        self.rig, self.scale = rig, scale

    # --- backlog ---
    def backlog(self):
        """Filled and emptied in tenths.  Each tenth's rows are counted and
        removed, so that the table is no larger at the end than at the start.
        The index remembers a million keys, so that one thing grows, not two:
        what 100 million take is another case."""
        rig, step = self.rig, math.ceil(1e9 * self.scale / 146 / CHUNK) * CHUNK
        rig.empty_table()
        d = rig.daemon(pipeline(KEEP), users=True, more="idempotency = { max_keys = 1000000; };")
        try:
            admin = Admin(d.admin)
            rig.pg.stop()
            points = self.fill(d, admin, step)
            self.evict(d)
            rig.pg.start()
            rows = 0
            for point in reversed(points):
                point.update(self.drain_tenth(d, admin, step * (point["tenth"] - 1)))
                rows += point.pop("rows")
                say("backlog %(gb).1f GB: drained at %(ours).2f + %(pg).2f s/M, %(rate).0f events/s, %(memory).0f MB"
                    % point)
            delivered = admin.values("events_delivered_total")[0]
            if rows != delivered or abs(rows / step / 10 - 0.3) > 0.01:
                raise RuntimeError("%d rows, %d delivered, of %d events" % (rows, delivered, step * 10))
            return points
        finally:
            discard(d)

    def fill(self, d, admin, step):
        points, sent = [], 0
        for tenth in range(1, 11):
            before = cpu(d.proc.pid)
            with Peak(d.proc.pid) as peak:
                for _ in range(step // CHUNK):
                    self.rig.send(d.gate, "-c", 8, "-b", 500, "-n", CHUNK, "-f", sent)
                    sent += CHUNK
            points.append({"tenth": tenth, "gb": self.rig.spooled(d.base) / 1e9,
                           "gate": (cpu(d.proc.pid) - before) * 1e6 / step, "fill_memory": peak.mb})
            say("backlog %(gb).1f GB: filled at %(gate).2f s/M, %(fill_memory).0f MB" % points[-1])
        if admin.lag() != sent:
            raise RuntimeError("the lane has %d of %d events before it" % (admin.lag(), sent))
        return points

    @staticmethod
    def evict(d):
        """So that the backlog is read from the disk, as on a machine that has
        less memory."""
        folder = os.path.join(d.base, "state", "spool")
        for name in os.listdir(folder):
            if name.endswith(".seg"):
                fd = os.open(os.path.join(folder, name), os.O_RDONLY)
                os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
                os.close(fd)

    def drain_tenth(self, d, admin, to):
        pg = self.rig.pg
        meter, before = Meter(self.rig, d), admin.lag()
        with Peak(d.proc.pid) as peak:
            admin.drained(to)
        result = meter.read(before - admin.lag())
        rows = pg.sql("begin; lock table w1 in access exclusive mode; select count(*) from w1; truncate w1; commit")
        return dict(result, memory=peak.mb, rows=int(rows))

    # --- entities ---
    def entities(self):
        """One store that grows; looked up at random, and nine times in ten
        within a hundredth of it.  Then whole lanes, on one store each."""
        points, events = [], max(100000, int(1e6 * self.scale))
        base = self.rig.folder()
        store = os.path.join(base, "entities")
        for millions in (0.1, 1, 3, 10):
            count = int(millions * 1e6 * min(1, self.scale)) or 1000
            point = {"entities": count}
            out = self.rig.tool("bench-entity", count, store)
            for how in ("uniform", "skewed"):
                point[how + "_ns"] = float(re.search(how + r" .* (\d+) ns of CPU", out).group(1))
            point["disk"] = os.path.getsize(os.path.join(store, "data.mdb")) / (1 << 20)
            for how, flags in (("uniform", []), ("skewed", ["-s"])):
                lanes = self.lane(["-n", str(events), "-r", "1", "-u", str(count), "-e", store] + flags)
                point.update({how + "_lane": lanes["enrich"][0], how + "_rate": lanes["enrich"][1],
                              "memory": max(point.get("memory", 0), lanes["memory"])})
            points.append(point)
            say("entities %(entities)d: look-up %(uniform_ns).0f ns, skewed %(skewed_ns).0f; the lane with it "
                "%(uniform_lane).2f s/M, skewed %(skewed_lane).2f; %(memory).0f MB" % point)
        shutil.rmtree(base)
        return points

    def lane(self, args):
        proc = subprocess.Popen([os.path.join(TOOLS, "bench-lane")] + args, stdout=subprocess.PIPE)
        with Peak(proc.pid) as peak:
            out = proc.stdout.read().decode()
        if proc.wait():
            raise RuntimeError("bench-lane failed")
        found = {m.group(1): (float(m.group(2)), float(m.group(3))) for m in re.finditer(
            r"^(\S+)/1 .* (\S+) core-seconds per million +(\S+) events/s", out, re.M)}
        return dict(found, memory=peak.mb)

    # --- lanes ---
    def lanes(self):
        """The events are there before the lanes run, so that nothing but the
        lanes is measured."""
        rig, points = self.rig, []
        for count in (1, 2, 5, 10, 20, 50):
            events = max(50000, int((2e6 if count < 10 else 4e5) * self.scale))

            def pipelines(status, count=count):
                return ",".join(LANE % (i, status, KEEP) for i in range(count))
            d = rig.daemon(pipelines("paused"), users=True)
            try:
                rig.send(d.gate, "-c", 8, "-b", 500, "-n", events)
                d.stop()
                d = rig.daemon(pipelines("active"), base=d.base)
                # CPU counts from its start on, as the lanes do not wait for
                # anybody; the rate from now on.
                with Peak(d.proc.pid) as peak:
                    admin = Admin(d.admin)
                    left, began = sum(admin.values("lane_lag_events")), time.monotonic()
                    admin.drained()
                    took = time.monotonic() - began
                point = {"lanes": count, "ours": cpu(d.proc.pid) * 1e6 / events / count, "rate": left / took,
                         "memory": peak.mb}
                points.append(point)
                say("lanes %(lanes)d: %(ours).3f s/M each, %(rate).0f deliveries/s, %(memory).0f MB" % point)
            finally:
                discard(d)
        return points

    # --- keys ---
    def keys(self):
        points = []
        millions = [m * min(1, self.scale) for m in (1, 3, 10, 30, 100)]
        proc = subprocess.Popen([os.path.join(TOOLS, "bench-idem")] + ["%g" % m for m in millions],
                                stdout=subprocess.PIPE)
        for line in proc.stdout:
            m = re.match(r" *(\S+) M keys: +(\S+) ns per key, last tenth +(\S+), worst batch +(\S+) us, \d+ slices, "
                         r"(\d+) MB on disk, (\S+) MB of memory, (\d+) false", line.decode())
            if not m:
                say("keys: " + line.decode().strip())
                continue
            points.append(dict(zip(("millions", "ns", "last_ns", "worst_us", "disk", "memory", "false"),
                                   (float(v) for v in m.groups()))))
            say("keys %(millions).0f M: %(ns).0f ns each, %(memory).0f MB of memory, %(disk).0f MB on disk" % points[-1])
        if proc.wait():
            raise RuntimeError("bench-idem failed")
        return points

    # --- connections ---
    def connections(self):
        rig, points, events = self.rig, [], max(50000, int(400000 * self.scale))
        for count, idle in ((16, 0), (64, 0), (256, 0), (1000, 0), (5000, 0), (256, 10000), (5000, 10000)):
            d = rig.daemon("")
            try:
                before = cpu(d.proc.pid)
                with Peak(d.proc.pid) as peak:
                    sent = rig.send(d.gate, "-c", count, "-i", idle, "-b", 1, "-n", events)
                point = {"connections": count, "idle": idle, "ours": (cpu(d.proc.pid) - before) * 1e6 / events,
                         "rate": sent["requests_per_s"], "p99": sent["p99_ms"], "memory": peak.mb,
                         "refused": sent["refused"], "broken": sent["broken"]}
                points.append(point)
                say("connections %(connections)d and %(idle)d idle: %(ours).1f us each, %(rate).0f requests/s, p99 "
                    "%(p99).1f ms, %(memory).0f MB" % point)
            finally:
                discard(d)
        return points

    # --- sizes ---
    def sizes(self):
        """All the way to the row, in requests of up to 1 MB."""
        rig, points = self.rig, []
        for size in (100, 181, 1000, 10000, 100000, (1 << 20) - 200):
            events = int(max(50, min(1e6, 400e6 / size) * self.scale))
            rig.empty_table()
            d = rig.daemon(pipeline(ALL), users=True)
            try:
                meter = Meter(rig, d)
                with Peak(d.proc.pid) as peak:
                    rig.send(d.gate, "-c", 8, "-b", max(1, min(500, 1000000 // size)), "-n", events, "-s", size)
                    Admin(d.admin).drained()
                point = dict(meter.read(events), bytes=size, memory=peak.mb)
                if int(rig.pg.sql("select count(*) from w1")) != events:
                    raise RuntimeError("rows are missing")
                points.append(point)
                say("size %(bytes)d: %(ours).2f + %(pg).2f us an event, %(memory).0f MB" % point)
            finally:
                discard(d)
        return points


CASES = ("backlog", "entities", "lanes", "keys", "connections", "sizes")


def write_results(folder, data):
    with open(os.path.join(folder, "scale.json"), "w") as f:
        json.dump(data, f, indent=1)
        f.write("\n")
    chart.write(data, os.path.join(folder, "results.svg"))
    replace_section(os.path.join(folder, "RESULTS.md"), HEADING, """
![Cost, rate and memory as things grow](results.svg)

`make bench-scale RESULTS=1` wrote this section; the dotted line is a fifth above the first point. %s. The load is that of the
machine when the case began: where it is above 2 other work competed, and rates and waiting say little.

```
%s
```
""" % ("; ".join(sorted(set(case["machine"] for case in data.values()))), "\n".join(chart.table(data))))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--scale", type=float, default=1, help="a part of it all, to see it work")
    p.add_argument("--case", default="", help="names, with blanks between them; all")
    p.add_argument("--results", metavar="DIR", help="write RESULTS.md, scale.json and results.svg there")
    args = p.parse_args()
    names = args.case.split() or list(CASES)
    if set(names) - set(CASES):
        p.error("no such case; there are " + " ".join(CASES))
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    data, rig = {}, Rig(0)
    if args.results and os.path.exists(os.path.join(args.results, "scale.json")):
        with open(os.path.join(args.results, "scale.json")) as f:
            data = json.load(f)
    try:
        for name in names:
            began, load = time.monotonic(), os.getloadavg()[0]
            data[name] = {"machine": machine(), "load": load, "points": getattr(Scale(rig, args.scale), name)()}
            say("%s took %.0f s" % (name, time.monotonic() - began))
    finally:
        rig.close()
    print("\n" + "\n".join(chart.table(data)))
    if args.results:
        write_results(args.results, {n: data[n] for n in CASES if n in data})
    return 0


if __name__ == "__main__":
    sys.exit(main())
