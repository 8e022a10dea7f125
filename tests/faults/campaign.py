#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Kill things while events flow, then account for every event.

One trial: a private Postgres, a daemon or several (each with a state_dir of
its own, all with the same pipeline and table), a few senders that repeat every
request at its daemon until it is answered, and a seeded list of faults.  Afterwards
  answered 202 = rows + dead letters + deliberate drops, each exactly once,
and no row that nobody sent.  The table has no key, so that a second copy of a
row would show.  With --upsert the table has a key, and is compared with a model
(upserts.py).  The seed of a trial that fails is printed."""
import argparse
import http.client
import json
import os
import random
import shutil
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from servers import Daemon, Postgres, plugins_of, postgres_bindir, without_plugin  # noqa: E402
import upserts  # noqa: E402

CONF = """
state_dir = "%(base)s/state%(node)d";
entities = { map_size = "64MiB"; };
http  = { listen = "env:GATE"; };
admin = { listen = "env:ADMIN"; };
sources = ( { name = "load"; plugin = "sdk.event"; keys = ( "env:KEY" ); } );
pipelines = (
  { name = "load";
    sources = ( { source = "load"; match = "load.*"; } );
    steps = ( { plugin = "filter.match"; where = "not (kind == drop)"; } );
    destinations = ( { plugin = "warehouse.pg"; connection = "env:DSN"; table = "load.rows";
                       connections = %(connections)d;
                       columns = ( { name = "event_id"; value = "$event.id"; },
                                   { name = "n"; value = "$event.payload.n"; } ); } ); }
);
"""
KEY = "campaign-key"


def event(rnd, trial, i):
    """Most are rows; some the filter drops, some the table refuses."""
    kind = "row"
    roll = rnd.random()
    if roll < 0.05:
        kind = "drop"
    elif roll < 0.051:
        kind = "bad"
    return {"id": "t%d-%07d" % (trial, i), "type": "load.test",
            "payload": {"kind": kind, "n": "no number" if kind == "bad" else i}}


class Sender(threading.Thread):
    """Takes batches from a shared list; repeats each until it hears 202."""

    def __init__(self, daemon, batches, lock, state, owner=None):
        super().__init__(daemon=True)
        self.owner = owner  # it takes only what is of this number, in order; None: any
        self.target, self.batches, self.lock, self.state = daemon, batches, lock, state

    def take(self):
        """Its next request; None, None: it has to wait."""
        with self.lock:
            at = len(self.batches) - 1
            while at >= 0 and self.owner is not None and self.batches[at][2] != self.owner:
                at -= 1
            if at < 0:
                return None
            if len(self.batches) <= self.state["hold"]:
                return None, None
            return self.batches.pop(at)[:2]

    def run(self):
        conn = None
        while not self.state["give_up"]:
            taken = self.take()
            if taken is None:
                return
            ids, body = taken
            if ids is None:
                time.sleep(0.001)
                continue
            while not self.state["give_up"]:
                try:
                    if conn is None:
                        conn = http.client.HTTPConnection("127.0.0.1", self.target.gate, timeout=60)
                    conn.request("POST", "/v1/ingest", body,
                                 {"Authorization": "Bearer " + KEY, "Content-Type": "application/json"})
                    answer = conn.getresponse()
                    text = answer.read()
                    if answer.status == 202:
                        data = json.loads(text)["data"]
                        if data["accepted"] + data["duplicates"] != len(ids):
                            self.state["errors"].append("a 202 for %d of %d events: %s" % (
                                data["accepted"] + data["duplicates"], len(ids), text[:300]))
                        with self.lock:
                            self.state["acked"].extend(ids)
                        break
                    if answer.status not in (429, 503):
                        self.state["errors"].append("status %d: %s" % (answer.status, text[:300]))
                        self.state["give_up"] = True
                except (OSError, http.client.HTTPException):
                    if conn:
                        conn.close()
                    conn = None
                    self.state["broken"] += 1
                time.sleep(0.02)


def await_lanes(daemon, until, errors):
    """Returns when the daemon's lanes have nothing left, or with an error."""
    while True:
        status = daemon.command("status", "-c", daemon.conf, "--json")
        if status.returncode == 0:
            lanes = json.loads(status.stdout)["lanes"]
            if all(lane["lag_events"] == 0 for lane in lanes):
                return
        if time.monotonic() > until:
            errors.append("the lane did not catch up: %s%s" % (
                status.stdout.decode(), status.stderr.decode()))
            return
        time.sleep(0.1)


def trial(seed, number, args, base):
    rnd = random.Random(seed)
    workers = max(args.senders, args.nodes)
    ups = upserts.Upserts(rnd, args.upsert, workers) if args.upsert else None
    pg = Postgres(base)
    pg.start()
    daemons = []
    try:
        pg.sql(ups.schema() if ups else
               "create schema load; create table load.rows (event_id text, n bigint)")
        for node in range(args.nodes):
            conf = os.path.join(base, "load%d.conf" % node)
            with open(conf, "w") as f:
                values = {"base": base, "node": node, "connections": args.connections}
                f.write(ups.conf(**values) if ups else CONF % values)
            daemons.append(Daemon(base, conf, {"KEY": KEY, "DSN": pg.dsn}))
            daemons[-1].start()

        expect, batches, streams = {}, [], [[] for _ in range(workers)]
        for i in range(0, args.events, args.batch):
            owner = i // args.batch % workers
            numbers = range(i, min(i + args.batch, args.events))
            events = [ups.event(rnd, number, k, owner) if ups else event(rnd, number, k)
                      for k in numbers]
            for e in events:
                expect[e["id"]] = e["payload"]["kind"]
            streams[owner].extend(events)
            batches.append(([e["id"] for e in events], json.dumps(events), owner))
        batches.reverse()
        total = len(batches)
        state = {"acked": [], "errors": [], "broken": 0, "give_up": False, "hold": 0}
        lock = threading.Lock()
        senders = [Sender(daemons[i % args.nodes], batches, lock, state,
                          i if ups and not ups.shared else None) for i in range(workers)]
        began = time.monotonic()

        # Faults come at seeded shares of the load, and a few after its end,
        # while the lanes still deliver.
        faults = sorted((rnd.random() * 1.1, rnd.choice(["daemon", "daemon", "postgres"]))
                        for _ in range(args.kills))

        def hold_at(share):
            # So that the load does not run out while something restarts: a
            # little beyond the next fault, and no further before it.
            state["hold"] = max(0, int(total * (0.97 - share)))
        done = {"daemon": 0, "postgres": 0}
        if faults:
            hold_at(faults[0][0])
        for s in senders:
            s.start()
        for share, what in faults:
            hold_at(share)
            while any(s.is_alive() for s in senders) and (total - len(batches)) / total < share:
                time.sleep(0.002)
            time.sleep(rnd.random() * 0.05)
            if what == "daemon":
                victim = rnd.choice(daemons)
                victim.kill()
                victim.start()
            else:
                pg.kill()
                time.sleep(rnd.random() * 0.3)
                pg.start()
            done[what] += 1
            if args.verbose:
                print("  killed %s at %d of %d requests" % (what, total - len(batches), total), flush=True)
        state["hold"] = 0
        for s in senders:
            s.join(args.limit)
            if s.is_alive():
                state["give_up"] = True
                state["errors"].append("a sender got no answer within %d s" % args.limit)

        # The end state: wait until the lanes have delivered all they have.
        until = time.monotonic() + args.limit
        for daemon in daemons:
            await_lanes(daemon, until, state["errors"])
        took = time.monotonic() - began
        for daemon in daemons:
            if daemon.stop() != 0:
                state["errors"].append("the daemon's exit code was %s" % daemon.proc.returncode)

        errors = state["errors"]
        rows = {}
        for line in pg.lines("select event_id from load.rows") if not ups else ():
            rows[line] = rows.get(line, 0) + 1
        dead = {}
        for daemon in daemons:
            out = daemon.command("dead", "list", "-c", daemon.conf, "--json")
            for line in out.stdout.decode().splitlines():
                letter = json.loads(line)
                dead[letter["event_id"]] = dead.get(letter["event_id"], 0) + 1
            if out.returncode:
                errors.append("dead list: " + out.stderr.decode())
        acked = set(state["acked"])
        lost = doubled = strange = 0
        row_count = sum(rows.values())
        if ups:
            more, row_count = ups.compare(pg, streams, dead)
            errors.extend("%s: %s" % (ups.describe(), e) for e in more)
        for event_id in acked if not ups else ():
            kind = expect[event_id]
            want_row, want_dead = int(kind == "row"), int(kind == "bad")
            got_row, got_dead = rows.get(event_id, 0), dead.get(event_id, 0)
            if got_row + got_dead < want_row + want_dead:
                lost += 1
            elif got_row + got_dead > want_row + want_dead:
                doubled += 1
            elif (got_row, got_dead) != (want_row, want_dead):
                strange += 1
        unknown = sum(1 for e in list(rows) + list(dead) if e not in expect)
        if lost or doubled or strange or unknown:
            errors.append("%d lost, %d doubled, %d in the wrong place, %d that nobody sent" % (
                lost, doubled, strange, unknown))
        if len(acked) != args.events:
            errors.append("%d of %d events were acknowledged" % (len(acked), args.events))
        return {"acked": len(acked), "rows": row_count, "dead": sum(dead.values()),
                "dropped": sum(1 for e in acked if expect[e] == "drop"), "broken": state["broken"],
                "daemon": done["daemon"], "postgres": done["postgres"], "seconds": took, "errors": errors}
    finally:
        for daemon in daemons:
            if daemon.proc and daemon.proc.poll() is None:
                daemon.kill()
        pg.stop()


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--trials", type=int, default=1)
    p.add_argument("--events", type=int, default=20000)
    p.add_argument("--batch", type=int, default=500)
    p.add_argument("--senders", type=int, default=4)
    p.add_argument("--nodes", type=int, default=1, help="daemons into the one Postgres")
    p.add_argument("--connections", type=int, default=1, help="of the lane to Postgres")
    p.add_argument("--upsert", choices=["any"] + sorted(upserts.WAYS),
                   help="a table with a key, and what becomes of its rows")
    p.add_argument("--kills", type=int, default=4, help="faults in each trial")
    p.add_argument("--seed", default="", help="of the first trial; else by chance")
    p.add_argument("--limit", type=int, default=300, help="seconds to wait for an end")
    p.add_argument("--verbose", action="store_true")
    args = p.parse_args()
    why = None if postgres_bindir() else "no Postgres server found"
    why = why or without_plugin(plugins_of(CONF))
    if why:
        print(why)
        return 77
    first = int(args.seed) if args.seed else random.SystemRandom().randrange(1 << 30)
    sums, failed = {}, []
    for i in range(args.trials):
        seed = first + i
        base = tempfile.mkdtemp(prefix="il-faults-")
        try:
            result = trial(seed, i, args, base)
        except (RuntimeError, OSError) as e:
            result = {"errors": [str(e)]}
        for k, v in result.items():
            if k != "errors":
                sums[k] = sums.get(k, 0) + v
        if result["errors"]:
            failed.append(seed)
            print("trial %d (seed %d) FAILED, files in %s" % (i + 1, seed, base))
            for e in result["errors"][:10]:
                print("  " + e)
        else:
            shutil.rmtree(base)
            print("trial %d of %d (seed %d): %d acknowledged = %d rows + %d dead + %d dropped; "
                  "killed daemon %d, postgres %d; %.1f s" % (
                      i + 1, args.trials, seed, result["acked"], result["rows"], result["dead"],
                      result["dropped"], result["daemon"], result["postgres"], result["seconds"]))
        sys.stdout.flush()
    print("trials %d, failed %d%s" % (args.trials, len(failed),
                                      " (seeds %s)" % " ".join(map(str, failed)) if failed else ""))
    for k in ("acked", "rows", "dead", "dropped", "daemon", "postgres", "broken"):
        print("  %-10s %d" % (k, sums.get(k, 0)))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
