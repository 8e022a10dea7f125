#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Speed, side by side: each case beside its limit on the same machine in the
same run, interleaved, several rounds; medians and ratios, never a verdict of a
test.  `make bench`, or `make bench CASE=w1a`.

  w1a, w1f   HTTP to the visible row, batches of 500, beside one binary COPY of
             the very same rows into the same table
  backlog    Postgres away while all events come, then W1a out of the spool:
             its rate beside COPY's, and memory before and while it drains
  gate       HTTP to 202, no pipeline, beside scanning the same JSON
  filter, enrich
             a lane alone, from the spool to a destination that settles at once
  single64, single256
             one event a request
  latency    1,000 events/s: POST to 202, and POST to the visible row

Memory is what the process has for itself (RssAnon), at its peak.  The columns
"ours" and "pg" are seconds of CPU per million events, of the daemon and of
Postgres with all its processes."""
import argparse
import http.client
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from servers import BUILD, Daemon, Postgres  # noqa: E402

TOOLS = os.path.join(BUILD, "tests", "bench")
KEEP = "feature in {csv.export, api.call, report.view}"
TABLE = """drop table if exists w1;
create table w1 (event_id text primary key, received_at timestamptz, type text, user_id text, feature text,
                 count bigint, plan text, account text, payload jsonb)"""
CONF = """
state_dir = "%(state)s";
log_level = "warn";
http  = { listen = "env:GATE"; };
admin = { listen = "env:ADMIN"; };
spool = { retain = "%(retain)s"; };
sources = ( { name = "app"; plugin = "sdk.event"; keys = ( "bench" ); } );
pipelines = ( %(pipelines)s );
"""
PIPELINE = """
  { name = "w1"; sources = ( { source = "app"; match = "feature.used"; } );
    steps = ( { plugin = "filter.match"; where = "%(where)s"; },
              { plugin = "enrich.entity"; kind = "user"; key = "$event.payload.user_id"; } );
    destinations = ( { plugin = "warehouse.pg"; connection = "env:DSN"; table = "w1";
      columns = ( { name = "event_id"; value = "$event.id"; },
                  { name = "received_at"; value = "$event.received_at"; },
                  { name = "type"; value = "$event.type"; },
                  { name = "user_id"; value = "$event.payload.user_id"; },
                  { name = "feature"; value = "$event.payload.feature"; },
                  { name = "count"; value = "$event.payload.count"; },
                  { name = "plan"; value = "$event.payload.plan"; },
                  { name = "account"; value = "$entity.user.account"; } );
      payload_column = "payload"; } ); }
"""


def cpu(pid):
    """CPU seconds of a process and its children, ended ones included."""
    tick = os.sysconf("SC_CLK_TCK")
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
    return total / tick


def memory_mb(pid):
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

    def value(self, name):
        self.http.request("GET", "/metrics")
        text = self.http.getresponse().read().decode()
        found = re.search(r"^\w*%s(?:\{[^}]*\})? (\S+)$" % name, text, re.M)
        if not found:
            raise RuntimeError("no metric %s:\n%s" % (name, text))
        return float(found.group(1))

    def drained(self, limit=900):
        until = time.monotonic() + limit
        while self.value("lane_lag_events") > 0:
            if time.monotonic() > until:
                raise RuntimeError("the lane does not come to its end")
            time.sleep(0.01)


class Bench:
    def __init__(self, events):
        self.events = events
        self.base = tempfile.mkdtemp(prefix="il-bench-")
        self.pg = Postgres(self.base, ["shared_buffers=256MB", "synchronous_commit=on", "max_wal_size=8GB",
                                       "checkpoint_timeout=30min", "autovacuum=off"])
        self.pg.start()
        self.copyfile = os.path.join(self.base, "w1.copy")
        with open(self.copyfile, "wb") as f:
            subprocess.run([os.path.join(TOOLS, "gen"), "copy", str(events)], stdout=f, check=True)
        self.users = os.path.join(self.base, "users.ndjson")
        with open(self.users, "wb") as f:
            subprocess.run([os.path.join(TOOLS, "gen"), "users"], stdout=f, check=True)
        self.runs = 0

    def close(self):
        self.pg.stop()
        shutil.rmtree(self.base)

    def daemon(self, pipelines, users=False):
        self.runs += 1
        base = os.path.join(self.base, "run%d" % self.runs)
        os.mkdir(base)
        conf = os.path.join(base, "bench.conf")
        with open(conf, "w") as f:
            f.write(CONF % {"state": base + "/state", "pipelines": pipelines,
                            "retain": "0s" if pipelines else "1h"})
        d = Daemon(base, conf, {"DSN": self.pg.dsn})
        if users:
            r = d.command("entity", "import", "-c", conf, self.users)
            if r.returncode:
                raise RuntimeError(r.stderr.decode())
        d.start()
        return d, base

    def send(self, d, *args):
        out = subprocess.run([os.path.join(TOOLS, "send"), *args, "127.0.0.1", str(d.gate)],
                             stdout=subprocess.PIPE, check=True).stdout.decode()
        return {k: float(v) for k, v in (pair.split("=") for pair in out.split())}

    # --- the limit: one binary COPY ---
    def copy(self):
        self.pg.sql(TABLE)
        self.pg.sql("checkpoint")
        before, began = cpu(self.pg.proc.pid), time.monotonic()
        subprocess.run([os.path.join(self.pg.bindir, "psql"), "-Xq", "-d", self.pg.dsn, "-c",
                        "\\copy w1 from '%s' with (format binary)" % self.copyfile], check=True)
        took = time.monotonic() - began
        # The backend's time counts once it has ended and was waited for.
        while self.pg.sql("select count(*) from pg_stat_activity where backend_type = 'client backend'") != "1":
            time.sleep(0.05)
        time.sleep(0.2)
        return {"rate": self.events / took, "pg": (cpu(self.pg.proc.pid) - before) * 1e6 / self.events}

    def scan(self):
        """CPU seconds per million events of stepping over the same JSON."""
        out = subprocess.run([os.path.join(TOOLS, "bench-json")], stdout=subprocess.PIPE, check=True).stdout.decode()
        ns = float(re.search(r"json_skip\s+(\S+) ns", out).group(1))
        return {"rate": 1e9 / ns, "ours": ns / 1000}

    # --- the cases ---
    def rows(self, share):
        rows = int(self.pg.sql("select count(*) from w1"))
        if (share == 1 and rows != self.events) or not abs(rows / self.events - share) < 0.02:
            raise RuntimeError("%d rows of %d events" % (rows, self.events))

    def w1(self, where, share):
        self.pg.sql(TABLE)
        self.pg.sql("checkpoint")
        d, base = self.daemon(PIPELINE % {"where": where}, users=True)
        try:
            admin = Admin(d.admin)
            ours, theirs = cpu(d.proc.pid), cpu(self.pg.proc.pid)
            with Peak(d.proc.pid) as peak:
                began = time.monotonic()
                sent = self.send(d, "-c", "8", "-b", "500", "-n", str(self.events))
                # The sender renders its requests first; its own clock counts.
                began = time.monotonic() - sent["seconds"]
                admin.drained()
                took = time.monotonic() - began
            result = {"rate": self.events / took, "sent": sent["events_per_s"],
                      "ours": (cpu(d.proc.pid) - ours) * 1e6 / self.events,
                      "pg": (cpu(self.pg.proc.pid) - theirs) * 1e6 / self.events, "memory": peak.mb}
            self.rows(share)
            return result
        finally:
            d.stop()
            shutil.rmtree(base)

    def backlog(self):
        self.pg.sql(TABLE)
        self.pg.sql("checkpoint")
        d, base = self.daemon(PIPELINE % {"where": "exists(feature)"}, users=True)
        try:
            admin = Admin(d.admin)
            self.pg.stop()
            with Peak(d.proc.pid) as filling:
                self.send(d, "-c", "8", "-b", "500", "-n", str(self.events))
            self.pg.start()
            while admin.value("lane_lag_events") == self.events:
                time.sleep(0.002)
            ours, theirs = cpu(d.proc.pid), cpu(self.pg.proc.pid)
            left, began = admin.value("lane_lag_events"), time.monotonic()
            with Peak(d.proc.pid) as peak:
                admin.drained()
                took = time.monotonic() - began
            self.rows(1)
            return {"rate": left / took, "ours": (cpu(d.proc.pid) - ours) * 1e6 / left,
                    "pg": (cpu(self.pg.proc.pid) - theirs) * 1e6 / left, "memory": max(peak.mb, filling.mb)}
        finally:
            d.stop()
            shutil.rmtree(base)

    def lane(self, case):
        out = subprocess.run([os.path.join(TOOLS, "bench-lane"), "-n", str(self.events), "-r", "1"], stdout=subprocess.PIPE,
                             check=True).stdout.decode()
        found = re.search(r"^%s/1 .* (\S+) core-seconds per million +(\S+) events/s" % re.escape(case), out, re.M)
        return {"rate": float(found.group(2)), "ours": float(found.group(1))}

    def filter(self):
        return self.lane("filter")

    def enrich(self):
        return self.lane("enrich")

    def w1a(self):
        return self.w1("exists(feature)", 1)

    def w1f(self):
        return self.w1(KEEP, 0.3)

    def ingest(self, conns, batch, events):
        d, base = self.daemon("")
        try:
            ours = cpu(d.proc.pid)
            with Peak(d.proc.pid) as peak:
                sent = self.send(d, "-c", str(conns), "-b", str(batch), "-n", str(events))
            return {"rate": sent["events_per_s"], "ours": (cpu(d.proc.pid) - ours) * 1e6 / events,
                    "p99": sent["p99_ms"], "memory": peak.mb,
                    "bytes": self.spooled(base) / events}
        finally:
            d.stop()
            shutil.rmtree(base)

    @staticmethod
    def spooled(base):
        """Bytes of the spool's segments."""
        folder = os.path.join(base, "state", "spool")
        return sum(os.stat(os.path.join(folder, n)).st_size for n in os.listdir(folder))

    def gate(self):
        return self.ingest(8, 500, self.events)

    def single64(self):
        return self.ingest(64, 1, min(self.events, 400000))

    def single256(self):
        return self.ingest(256, 1, min(self.events, 400000))

    def latency(self):
        self.pg.sql(TABLE)
        d, base = self.daemon(PIPELINE % {"where": "exists(feature)"}, users=True)
        try:
            sent = self.send(d, "-c", "16", "-b", "1", "-n", "10000", "-r", "1000")
            # Rows become visible after the last answer.
            Admin(d.admin).drained()
            # received_at is when the event passed the gate; xmin's commit time is when the row could be seen.
            p50, p99 = self.pg.sql(
                "select percentile_cont(array[0.5, 0.99]) within group (order by extract(epoch from "
                "pg_xact_commit_timestamp(xmin) - received_at) * 1000) from w1").strip("{}").split(",")
            return {"rate": sent["events_per_s"], "p99": sent["p99_ms"], "row_p50": float(p50),
                    "row_p99": float(p99)}
        finally:
            d.stop()
            shutil.rmtree(base)


CASES = {  # name: (limit, direction, target text)
    "w1a": ("copy", ">= 370k events/s, >= 0.87 of COPY"),
    "w1f": ("copy", ">= 1,000k events/s"),
    "backlog": ("copy", "<= 64 MB at 10 GB"),
    "gate": ("scan", "ours <= 0.45"),
    "filter": (None, "ours <= 0.2"),
    "enrich": (None, "ours <= 0.5"),
    "single64": (None, ">= 65k requests/s, <= 10 us of our CPU each"),
    "single256": (None, ">= 95k requests/s, <= 10 us of our CPU each"),
    "latency": (None, "row: p50 < 50 ms, p99 < 250 ms"),
}


def table(names, results):
    """One line for each case: medians of its rounds."""
    med = statistics.median
    lines = ["%-10s %12s %9s %9s %8s %8s  %-22s %s" % ("case", "events/s", "ours s/M", "pg s/M", "MB", "bytes",
                                                      "of its limit", "target")]
    for name in names:
        runs, limit = results[(name, name)], CASES[name][0]

        def col(key, fmt, runs=runs):
            return fmt % med(r[key] for r in runs) if key in runs[0] else "-"
        ratio = "-"
        if limit:
            # Of what takes no time of its own but ours, the CPU is compared.
            pairs = sorted(b["ours"] / a["ours"] if "ours" in b else a["rate"] / b["rate"]
                           for a, b in zip(runs, results[(name, limit)]))
            ratio = "%.2f (%.2f-%.2f)" % (med(pairs), pairs[0], pairs[-1])
        lines.append("%-10s %12s %9s %9s %8s %8s  %-22s %s" % (
            name, col("rate", "%.0f"), col("ours", "%.2f"), col("pg", "%.2f"), col("memory", "%.0f"),
            col("bytes", "%.0f"), ratio, CASES[name][1]))
        if limit:
            lines.append("%-10s %12s %9s %9s" % ("  " + limit, *(col(key, fmt, results[(name, limit)]) for key, fmt in (
                ("rate", "%.0f"), ("ours", "%.2f"), ("pg", "%.2f")))))
        if "row_p50" in runs[0]:
            lines.append("%-10s 202: p99 %s ms; row: p50 %s ms, p99 %s ms" % (
                "", col("p99", "%.2f"), col("row_p50", "%.1f"), col("row_p99", "%.1f")))
    return lines


def report(lines, args, bindir):
    """RESULTS.md: the table and what it was measured on.  What somebody wrote
    below it, from the first heading on, stays."""
    version = subprocess.run([os.path.join(bindir, "postgres"), "--version"],
                             stdout=subprocess.PIPE).stdout.decode().strip()
    system = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    return """# Speed, as measured

`make bench RESULTS=1` wrote this page: %d rounds of %d events, medians. Rates depend on what else the machine does;
the ratios are of pairs that ran one after the other, and the seconds of CPU per million events (ours, Postgres's)
depend on it least. `make bench-count` counts instructions, which do not depend on it at all.

%s, %d cores, %s, %s. Load while it began: %s.

```
%s
```
""" % (args.rounds, args.events, system, os.cpu_count(), platform.machine(), version,
       " ".join("%.1f" % n for n in os.getloadavg()), "\n".join(lines))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--events", type=int, default=1000000)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--case", default="", help="names, with blanks between them; all")
    p.add_argument("--results", metavar="FILE", help="write the table there, too")
    args = p.parse_args()
    names = args.case.split() or list(CASES)
    if set(names) - set(CASES):
        p.error("no such case; there are " + " ".join(CASES))
    bench = Bench(args.events)
    bench.pg.stop()
    bench.pg.settings += ["-c", "track_commit_timestamp=on"]
    bench.pg.start()
    results = {}
    try:
        for i in range(args.rounds):
            for name in names:
                limit = CASES[name][0]
                for run in ([limit] if limit else []) + [name]:
                    r = getattr(bench, run)()
                    results.setdefault((name, run), []).append(r)
                    print("round %d  %-10s %s" % (i + 1, run, "  ".join(
                        "%s %.3g" % (k, v) if v < 1000 else "%s %dk" % (k, v / 1000) for k, v in r.items())),
                        file=sys.stderr, flush=True)
    finally:
        bench.close()
    lines = table(names, results)
    print("\n" + "\n".join(lines))
    if args.results:
        notes = ""
        if os.path.exists(args.results):
            with open(args.results) as f:
                notes = "".join(f.read().partition("\n## ")[1:])
        with open(args.results, "w") as f:
            f.write(report(lines, args, bench.pg.bindir) + notes)
    return 0


if __name__ == "__main__":
    sys.exit(main())
