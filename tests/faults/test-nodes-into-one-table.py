#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Three daemons behind a balancer, one Postgres, kill -9 at random: every event
that was acknowledged is one row, though each repeat goes to another node than
the attempt before, and answers get lost.

As in ingestlayer-scaling(7): the id of an event is its sender's, or made of its
key, which its sender gives or its declaration names; and it is unique in the table.
A repeat that another node took is ignored there, or a dead letter."""
import argparse
import collections
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
from campaign import await_lanes  # noqa: E402
from servers import PATIENCE, Daemon, Postgres, plugins_of, postgres_bindir, without_plugin  # noqa: E402

KEY = "nodes-key"
CONF = """
state_dir = "%(base)s/state%(node)d";
entities = { map_size = "64MiB"; };
http  = { listen = "env:GATE"; };
admin = { listen = "env:ADMIN"; };
events = ( { type = "order"; idempotency = { key = "order_id"; }; fields = ( { name = "order_id"; type = "string"; } ); },
           { type = "use"; } );
sources = ( { name = "app"; plugin = "sdk.event"; keys = ( "env:KEY" ); ids = "key"; } );
pipelines = (
  { name = "all";
    sources = ( { source = "app"; } );
    destinations = ( { plugin = "warehouse.pg"; connection = "env:DSN"; table = "t.rows"; %(conflict)s
                       columns = ( { name = "event_id"; value = "$event.id"; },
                                   { name = "key"; value = "$event.key"; } ); } ); }
);
"""
CONFLICT = {"ignore": 'on_conflict = "ignore"; conflict = ( "event_id" );', "letter": ""}
NODES = 3
LOST = 0.2  # of the answers


def batches(rnd, events, size):
    """(keys, body): what is sent again is the same, but for an order's id: another
    process sends that, and its SDK makes another."""
    made = []
    for first in range(0, events, size):
        keys, batch = [], []
        for n in range(first, min(first + size, events)):
            kind = rnd.choice(["id", "key", "order"])
            keys.append("%s-%d" % (kind, n))
            if kind == "id":
                batch.append({"id": keys[-1], "type": "use", "payload": {}})
            elif kind == "key":
                batch.append({"idempotencyKey": keys[-1], "type": "use", "payload": {}})
            else:
                batch.append({"type": "order", "payload": {"order_id": keys[-1]}})
        made.append((keys, batch))
    return made


class Balancer:
    """Hands each attempt at a request to another node than the one before."""

    def __init__(self, daemons, rnd):
        self.daemons, self.rnd, self.lost = daemons, rnd, 0

    def attempt(self, number, body):
        """The answer, or None: there is none."""
        node = self.daemons[number % len(self.daemons)]
        conn = http.client.HTTPConnection("127.0.0.1", node.gate, timeout=30 * PATIENCE)
        try:
            conn.request("POST", "/v1/ingest", body,
                         {"Authorization": "Bearer " + KEY, "Content-Type": "application/json"})
            if self.rnd.random() < LOST / 2:
                self.lost += 1
                return None  # it may not even have been read
            answer = conn.getresponse()
            text = answer.read()
            if self.rnd.random() < LOST / 2:
                self.lost += 1
                return None
            return answer.status, text
        except (OSError, http.client.HTTPException):
            return None
        finally:
            conn.close()


class Sender(threading.Thread):
    def __init__(self, balancer, work, lock, state, seed):
        super().__init__(daemon=True)
        self.balancer, self.work, self.lock, self.state = balancer, work, lock, state
        self.rnd = random.Random(seed)

    def body(self, batch):
        for event in batch:
            if event["type"] == "order":
                event["id"] = "sdk-%032x" % self.rnd.getrandbits(128)
        return json.dumps(batch)

    def run(self):
        while True:
            with self.lock:
                if not self.work:
                    return
                keys, batch = self.work.pop()
            number = self.rnd.randrange(NODES)
            while True:
                answer = self.balancer.attempt(number, self.body(batch))
                if answer and answer[0] == 202:
                    with self.lock:
                        self.state["acked"].extend(keys)
                    break
                if answer and answer[0] not in (429, 503):
                    self.state["errors"].append("status %d: %s" % (answer[0], answer[1][:300]))
                    return
                number += 1
                time.sleep(0.01)


def letters(daemon, errors):
    out = daemon.command("dead", "list", "-c", daemon.conf, "--json")
    if out.returncode:
        errors.append("dead list: " + out.stderr.decode())
    return [json.loads(line) for line in out.stdout.decode().splitlines()]


def taken(daemon):
    """Events in a node's spool: positions count from 1."""
    status = daemon.command("status", "-c", daemon.conf, "--json")
    return max(lane["position"] for lane in json.loads(status.stdout)["lanes"])


def account(pg, daemons, state):
    """Every key that was acknowledged is one row; a letter is of a row that is there."""
    errors = state["errors"]
    rows = collections.Counter(pg.lines("select key from t.rows"))
    ids = set(pg.lines("select event_id from t.rows"))
    acked = set(state["acked"])
    lost = sum(1 for key in acked if not rows[key])
    doubled = sum(1 for n in rows.values() if n > 1)
    if lost or doubled:
        errors.append("%d lost, %d doubled" % (lost, doubled))
    again = sum(taken(daemon) for daemon in daemons) - len(acked)
    kept = 0
    for daemon in daemons:
        for letter in letters(daemon, errors):
            kept += 1
            if letter["code"] != "23505" or letter["event_id"] not in ids:
                errors.append("a letter that is no repeat: %s" % letter)
    # What a process that was killed had been given may be in already, and is no letter.
    if not 0 < kept <= again if state["on_conflict"] == "letter" else kept:
        errors.append("%d dead letters of %d repeats" % (kept, again))
    return len(acked), sum(rows.values()), again


def trial(seed, args, on_conflict, base):
    rnd = random.Random(seed)
    pg = Postgres(base, settings=["fsync=off"])
    pg.start()
    daemons = []
    state = {"acked": [], "errors": [], "on_conflict": on_conflict}
    try:
        pg.sql("create schema t; create table t.rows (event_id text unique, key text)")
        for node in range(NODES):
            conf = os.path.join(base, "node%d.conf" % node)
            with open(conf, "w") as f:
                f.write(CONF % {"base": base, "node": node, "conflict": CONFLICT[on_conflict]})
            daemons.append(Daemon(base, conf, {"KEY": KEY, "DSN": pg.dsn}))
            daemons[-1].start()
        work = batches(rnd, args.events, 50)
        total, lock = len(work), threading.Lock()
        balancer = Balancer(daemons, rnd)
        senders = [Sender(balancer, work, lock, state, rnd.random()) for _ in range(6)]
        for s in senders:
            s.start()
        for kill in range(args.kills):
            while any(s.is_alive() for s in senders) and total - len(work) < total * kill / args.kills:
                time.sleep(0.002)
            time.sleep(rnd.random() * 0.05)
            victim = rnd.choice(daemons)
            victim.kill()
            time.sleep(rnd.random() * 0.3)
            victim.start()
        for s in senders:
            s.join(300 * PATIENCE)
            if s.is_alive():
                state["errors"].append("a sender is not done")
        for daemon in daemons:
            await_lanes(daemon, time.monotonic() + 120 * PATIENCE, state["errors"])
        acked, rows, again = account(pg, daemons, state)
        if acked != args.events:
            state["errors"].append("%d of %d events were acknowledged" % (acked, args.events))
        if not again:
            state["errors"].append("no node took what another had taken: this shows nothing")
        print("%s: %d acknowledged, %d rows, %d taken more than once; %d answers lost, %d kills" % (
            on_conflict, acked, rows, again, balancer.lost, args.kills))
        return state["errors"]
    finally:
        for daemon in daemons:
            if daemon.proc and daemon.proc.poll() is None:
                daemon.kill()
        pg.stop()


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--events", type=int, default=8000)
    p.add_argument("--kills", type=int, default=8)
    p.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 30))
    args = p.parse_args()
    why = None if postgres_bindir() else "no Postgres server found"
    why = why or without_plugin(plugins_of(CONF))
    if why:
        print(why)
        return 77
    for on_conflict in CONFLICT:
        base = tempfile.mkdtemp(prefix="il-nodes-")
        errors = trial(args.seed, args, on_conflict, base)
        if errors:
            print("seed %d, files in %s" % (args.seed, base), *errors[:10], sep="\n  ")
            return 1
        shutil.rmtree(base)
    return 0


if __name__ == "__main__":
    sys.exit(main())
