# SPDX-License-Identifier: MIT
"""The cases that are compared, each beside its limit, and what each has to
reach.  A case returns what it measured:

  rate     events a second, by the clock on the wall
  ours, pg seconds of CPU per million events, of the daemon (or whatever stands
           in its place) and of Postgres with all its processes
  memory   peak of what the daemon has for itself, MB
  ...      and what only that case has"""
import os
import re
import shutil
import signal
import subprocess
import time

from deliver import Deliveries
from measure import Admin, Peak, cpu, percentile, sync_seconds
from rig import ALL, BY_USER, KEEP, REMEMBER, TOOLS, UPSERT, discard, pipeline

SINGLES = 400000  # requests of one event each
PACE = 1000       # events a second of the latency case

# Observes commits of the lane: its row in ingestlayer.lanes is written by the
# transaction that writes the events' rows, so it has the same xmin, and this
# sees both at the same moment.
WATCH = """
create table seen (xid bigint primary key, at timestamptz);
do $$
declare last bigint := 0; now bigint;
begin
    while not exists (select from pg_class where relname = 'w1_done') loop
        select max(xmin::text::bigint) into now from ingestlayer.lanes;
        if now > last then
            insert into seen values (now, clock_timestamp());
            last := now;
        end if;
        perform pg_sleep(0.0003);
    end loop;
end $$"""
# From when the sender began to send an event until a row with it could be read.
DELAY = """
select percentile_cont(array[0.5, 0.99]) within group (order by delay) from (
    select 1000 * extract(epoch from min(s.at)) - sent.us / 1000.0 as delay
    from w1 join sent on sent.id = w1.event_id join seen s on s.xid >= w1.xmin::text::bigint
    group by w1.event_id, sent.us) as delays"""


BATCH = 10000  # events of a transaction of a lane that is behind
# A batch into the table of users by hand, as a person would in psql.
HAND = """begin;
create temp table s (like w1) on commit drop;
\\copy s from '%s' with (format binary)
insert into w1 select distinct on (user_id) * from s order by user_id, ctid desc
    on conflict (user_id) do update set (event_id, received_at, type, feature, count, plan, account, payload) =
    (excluded.event_id, excluded.received_at, excluded.type, excluded.feature, excluded.count, excluded.plan,
     excluded.account, excluded.payload);
commit;
"""


class Cases(Deliveries):
    def __init__(self, rig):
        self.rig = rig
        self.lanes = {}

    # --- limits ---
    def copied(self, what, parts=1):
        """One binary COPY of the rows, into the same table; or several at once,
        each with its part of them."""
        rig = self.rig
        rows = [rig.generate("%s-%d-%d" % (what, k, parts), what, str(rig.events), str(k), str(parts))
                for k in range(parts)]
        rig.empty_table()
        before, began = rig.pg_cpu(), time.monotonic()
        procs = [subprocess.Popen([os.path.join(rig.pg.bindir, "psql"), "-Xq", "-d", rig.pg.dsn, "-c",
                                   "\\copy w1 from '%s' with (format binary)" % r]) for r in rows]
        if any([p.wait() for p in procs]):
            raise RuntimeError("COPY failed")
        took = time.monotonic() - began
        rig.alone()
        return {"rate": rig.events / took, "pg": (rig.pg_cpu() - before) * 1e6 / rig.events}

    def copy(self):
        return self.copied("copy")

    def copy2(self):
        return self.copied("copy", 2)

    def kept(self):
        return self.copied("kept")

    def by_hand(self):
        """The same rows into a table of users, in batches as the lane's: a temporary
        table and ON CONFLICT, in one psql."""
        rig = self.rig
        parts = -(-rig.events // BATCH)
        script = os.path.join(rig.base, "by_hand.sql")
        with open(script, "w") as f:
            for k in range(parts):
                f.write(HAND % rig.generate("hand-%d-%d" % (k, parts), "copy", str(rig.events), str(k), str(parts)))
        rig.empty_table(BY_USER)
        before, began = rig.pg_cpu(), time.monotonic()
        subprocess.run([os.path.join(rig.pg.bindir, "psql"), "-Xq", "-v", "ON_ERROR_STOP=1", "-d", rig.pg.dsn, "-f",
                        script], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        took = time.monotonic() - began
        rig.alone()
        return {"rate": rig.events / took, "pg": (rig.pg_cpu() - before) * 1e6 / rig.events}

    def scan(self):
        """Stepping over the same JSON."""
        ns = float(re.search(r"json_skip\s+(\S+) ns", self.rig.tool("bench-json")).group(1))
        return {"rate": 1e9 / ns, "ours": ns / 1000}

    def read(self):
        return self.lane("nothing")

    def bare(self, conns):
        """A loop that does nothing but read, append, sync and answer."""
        base = self.rig.folder()
        proc = subprocess.Popen([os.path.join(TOOLS, "bare"), base + "/bodies"],
                                stdout=subprocess.PIPE)
        try:
            return self.singles(proc, int(proc.stdout.readline()), conns)
        finally:
            proc.terminate()
            proc.wait()
            shutil.rmtree(base)

    def bare64(self):
        return self.bare(64)

    def bare256(self):
        return self.bare(256)

    # --- whole ways ---
    def w1(self, where, share, connections=1, steps=""):
        rig = self.rig
        rig.empty_table()
        d = rig.daemon(pipeline(where, connections, steps), users=True)
        try:
            admin = Admin(d.admin)
            ours, theirs = cpu(d.proc.pid), rig.pg_cpu()
            with Peak(d.proc.pid) as peak:
                sent = rig.send(d.gate, "-c", 8, "-b", 500, "-n", rig.events)
                # The sender renders its requests first; its own clock counts.
                began = time.monotonic() - sent["seconds"]
                admin.drained()
                took = time.monotonic() - began
            ours, theirs = cpu(d.proc.pid) - ours, rig.pg_cpu() - theirs
            rig.rows(share)
            return {"rate": rig.events / took, "ours": ours * 1e6 / rig.events, "pg": theirs * 1e6 / rig.events,
                    "memory": peak.mb}
        finally:
            discard(d)

    def w1a(self):
        return self.w1(ALL, 1)

    def w1a2(self):
        return self.w1(ALL, 1, 2)

    def remember(self):
        return self.w1(ALL, 1, steps=REMEMBER)

    def w1f(self):
        return self.w1(KEEP, 0.3)

    def backlog(self, connections=1, upsert=False):
        rig = self.rig
        rig.empty_table(*([BY_USER] if upsert else []))
        d = rig.daemon(pipeline(ALL, connections, more=UPSERT if upsert else ""), users=True)
        try:
            admin = Admin(d.admin)
            rig.pg.stop()
            with Peak(d.proc.pid) as peak:
                rig.send(d.gate, "-c", 8, "-b", 500, "-n", rig.events)
                rig.pg.start()
                while admin.lag() == rig.events:
                    time.sleep(0.002)
                ours, theirs = cpu(d.proc.pid), rig.pg_cpu()
                left, began = admin.lag(), time.monotonic()
                admin.drained()
                took = time.monotonic() - began
            ours, theirs = cpu(d.proc.pid) - ours, rig.pg_cpu() - theirs
            if not upsert:
                rig.rows(1)
            return {"rate": left / took, "ours": ours * 1e6 / left, "pg": theirs * 1e6 / left, "memory": peak.mb}
        finally:
            discard(d)

    def backlog2(self):
        return self.backlog(2)

    def upsert(self):
        return self.backlog(upsert=True)

    # --- parts ---
    def gate(self):
        rig = self.rig
        d = rig.daemon("")
        try:
            result = self.requests(d.proc, d.gate, 8, 500, rig.events)
            return dict(result, bytes=rig.spooled(d.base) / rig.events)
        finally:
            discard(d)

    def lane(self, what):
        """One run of bench-lane has all of them; each is asked for once a
        round."""
        if what not in self.lanes:
            out = self.rig.tool("bench-lane", "-n", self.rig.events, "-r", 1)
            self.lanes = {m.group(1): {"rate": float(m.group(3)), "ours": float(m.group(2))} for m in re.finditer(
                r"^(\S+)/1 .* (\S+) core-seconds per million +(\S+) events/s", out, re.M)}
        return self.lanes.pop(what)

    def filter(self):
        return self.lane("filter")

    def enrich(self):
        return self.lane("enrich")

    # --- one event a request ---
    def requests(self, proc, port, conns, batch, events):
        ours = cpu(proc.pid)
        with Peak(proc.pid) as peak:
            sent = self.rig.send(port, "-c", conns, "-b", batch, "-n", events)
        return {"rate": sent["events_per_s"], "ours": (cpu(proc.pid) - ours) * 1e6 / events, "memory": peak.mb,
                "p99": sent["p99_ms"]}

    def singles(self, proc, port, conns):
        return self.requests(proc, port, conns, 1, min(self.rig.events, SINGLES))

    def single(self, conns):
        d = self.rig.daemon("")
        try:
            return self.singles(d.proc, d.gate, conns)
        finally:
            discard(d)

    def single64(self):
        return self.single(64)

    def single256(self):
        return self.single(256)

    # --- latency ---
    def latency(self):
        rig, pg = self.rig, self.rig.pg
        rig.empty_table()
        pg.sql("drop table if exists seen, w1_done, sent; create table sent (id text primary key, us bigint)")
        d = rig.daemon(pipeline(ALL), users=True)
        while pg.sql("select to_regclass('ingestlayer.lanes')") == "":
            time.sleep(0.05)
        times = os.path.join(d.base, "sent")
        watch = subprocess.Popen([os.path.join(pg.bindir, "psql"), "-XqAt", "-d", pg.dsn, "-c", WATCH],
                                 start_new_session=True)
        try:
            # The disk alone, as long before as after: it is not the same all the time.
            disk = sync_seconds(d.base, 2000)
            sent = rig.send(d.gate, "-c", 16, "-b", 1, "-n", PACE * 10, "-r", PACE, "-o", times)
            Admin(d.admin).drained()
            disk += sync_seconds(d.base, 2000)
            time.sleep(0.1)
            pg.sql("create table w1_done ()")
            watch.wait(60)
            pg.sql("\\copy sent from '%s'" % times)
            p50, p99 = (float(n) for n in pg.sql(DELAY).strip("{}").split(","))
            return {"rate": sent["events_per_s"], "p50": sent["p50_ms"],
                    "p99": sent["p99_ms"], "row_p50": p50, "row_p99": p99, "sync_p50": percentile(disk, 0.5) * 1e3,
                    "sync_p99": percentile(disk, 0.99) * 1e3}
        finally:
            if watch.poll() is None:
                watch.send_signal(signal.SIGINT)
                watch.wait()
            discard(d)


# What has to be reached: (name of the value, bound, as text).  A bound above is
# negative, so that -32 reads "at most 32".  `ratio` is of the limit's rate, or
# of its CPU where one of the two has no rate of its own.
# Of two runs one after the other, whose order changes from round to round.
PAIRED = [("ratio", 0.97, "0.97 of alone"), ("lane_ratio", -1.03, "1.03 of its thread's CPU alone"),
          ("all_ratio", -1.03, "1.03 of all CPU alone")]
RATES = {
    # name: (limit, references, targets)
    "w1a": ("copy", ["rsyslog"], [("ratio", 0.87, "0.87 of COPY"), ("rate", 370e3, "370k events/s"),
                                  ("memory", -32, "32 MB")]),
    # The same over two connections, beside COPY over two and over one.
    "w1a2": ("copy2", ["copy"], [("ratio", 0.87, "0.87 of COPY"), ("memory", -32, "32 MB")]),
    "remember": ("w1a", [], [("ratio", 0.9, "0.90 of w1a")]),
    "w1f": ("kept", [], [("rate", 1e6, "1,000k events/s"), ("memory", -32, "32 MB")]),
    "backlog": ("copy", [], [("ratio", 0.87, "0.87 of COPY"), ("memory", -64, "64 MB")]),
    "backlog2": ("copy2", ["copy"], [("ratio", 0.87, "0.87 of COPY"), ("memory", -64, "64 MB")]),
    "upsert": ("by_hand", [], [("ratio", 0.8, "0.80 of psql"), ("memory", -64, "64 MB")]),
    "gate": ("scan", [], [("ours", -0.45, "0.45 s of CPU")]),
    "filter": ("read", [], [("ours", -0.2, "0.2 s of CPU")]),
    "enrich": ("read", [], [("ours", -0.5, "0.5 s of CPU")]),
    "single64": ("bare64", ["nginx64"], [("rate", 65e3, "65k requests/s"), ("ours", -10, "10 us of CPU")]),
    "single256": ("bare256", ["nginx256"], [("rate", 95e3, "95k requests/s"), ("ours", -10, "10 us of CPU")]),
    "latency": (None, [], [("row_p50", -50, "row: p50 50 ms"), ("row_p99", -250, "row: p99 250 ms"),
                           ("syncs", -3, "202: p99 3 x fdatasync's")]),
    "webhook": ("wrk", [], [("ratio", 0.6, "0.60 of wrk"), ("ours", -25, "25 us of CPU")]),
    "beside": ("alone", [], PAIRED),
    "beside_all": ("alone", [], PAIRED),
    "tapped": ("alone", [], PAIRED),
}
COMPARED_BY_CPU = {"gate", "filter", "enrich"}
