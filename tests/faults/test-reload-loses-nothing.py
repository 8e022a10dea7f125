# SPDX-License-Identifier: MIT
"""A config is read again over and over, with lanes that change, come, go and get
other names, with keys and rates that change, while events come all the time, and
with kill -9 in between: whoever sends is never refused, and each event that was
accepted is in each table once.  IL_SLOW=1 does it a thousand times."""
import http.client
import json
import os
import random
import sys
import threading
import time

from reloads import write
from system import HEAD, KEY, System, equal

ROUNDS = 1000 if os.environ.get("IL_SLOW") else 40
SEED = int(os.environ.get("SEED", random.randrange(1 << 30)))
SENDERS = 3
TABLES = "create schema t; " + "; ".join(
    "create table t.%s (event_id text, n bigint, twice bigint)" % t for t in "abc")
LANE = """
  { name = "%(name)s"; sources = ( { source = "app"; } ); %(steps)s
    destinations = ( { plugin = "warehouse.pg"; name = "pg"; connection = "env:DSN"; table = "t.%(table)s"; %(more)s
                       batch = { wait = "%(wait)dms"; };
                       columns = ( { name = "event_id"; value = "$event.id"; },
                                   { name = "n"; value = "$event.payload.n"; } %(columns)s ); } ); }"""
TWICE = ', { name = "twice"; value = "$event.payload.twice"; }'
chance = random.Random(SEED)


def lane(name, table, more="", changing=True):
    return LANE % {"name": name, "table": table, "more": more, "columns": chance.choice(["", TWICE]) if changing else "",
                   "steps": chance.choice(["", 'steps = ( { plugin = "filter.match"; where = "n >= 0"; } );']) if changing
                   else "", "wait": chance.choice([5, 20]) if changing else 5}


class Config:
    """What it is by now, and what it may be next."""
    def __init__(self):
        self.c = "c"
        self.was = 'begin = "oldest";'

    def text(self):
        lanes = [lane("a", "a", changing=False), lane("b", "b")]
        if chance.random() < 0.3:  # c gets another name
            self.c, self.was = "c%d" % chance.randrange(1 << 30), 'was = "%s/pg"; begin = "oldest";' % self.c
        lanes.append(lane(self.c, "c", self.was, changing=chance.random() < 0.3))
        chance.shuffle(lanes)
        head = HEAD.replace('keys = ( "env:KEY" );', "keys = ( %s ); rate = \"%d00000/s\";" % (
            chance.choice(['"env:KEY"', '"env:KEY", "literal:another-key-0123456789"']), chance.randrange(1, 9)))
        return head + "pipelines = (" + ",".join(lanes) + ");"


class Sender(threading.Thread):
    """Events one after the other over connections that are kept; one that has no
    answer is sent again by its key."""
    def __init__(self, s, name):
        super().__init__(daemon=True)
        self.s, self.tag = s, name
        self.accepted, self.refused, self.broken = {}, [], 0
        self.ended = threading.Event()
        self.kills = 0

    def run(self):
        connection, n = None, 0
        while not self.ended.is_set():
            body = json.dumps({"type": "test.event", "idempotencyKey": "%s-%d" % (self.tag, n),
                               "payload": {"n": n, "twice": 2 * n}})
            try:
                connection = connection or http.client.HTTPConnection("127.0.0.1", self.s.daemon.gate, timeout=30)
                connection.request("POST", "/v1/ingest", body, {"Authorization": "Bearer " + KEY,
                                                                "Content-Type": "application/json"})
                answer = connection.getresponse()
                said = answer.read()
            except (OSError, http.client.HTTPException):
                self.broken += 1
                connection = None
                time.sleep(0.02)
                continue
            if answer.status == 202:
                self.accepted[json.loads(said)["data"]["events"][0]["id"]] = n
                n += 1
            else:
                self.refused.append((answer.status, said))
            time.sleep(0.002)


def configured(s, config):
    write(s, config.text())


def reload_once(s):
    r = s.daemon.command("reload", "-c", s.conf, "--json", "--wait", "300ms", timeout=120)
    if r.returncode and s.daemon.proc.poll() is None:
        sys.exit("reload: %s %s" % (r.stdout.decode(), r.stderr.decode()))


def reload_and_kill(s):
    thread = threading.Thread(target=lambda: s.daemon.command("reload", "-c", s.conf, "--wait", "300ms"))
    thread.start()
    time.sleep(chance.random() * 0.5)
    s.daemon.kill()
    thread.join()
    s.daemon.start()


def tables(s, ids):
    for table in "abc":
        got = s.pg.sql("select count(*) || ' ' || count(distinct event_id) from t." + table)
        there = set(s.pg.lines("select event_id from t." + table))
        equal(len(ids - there), 0, "events that are not in t.%s" % table)
        rows, distinct = got.split()
        equal(rows, distinct, "rows and events of t." + table)


print("SEED=%d" % SEED)
config = Config()
with System(HEAD + "pipelines = (" + lane("a", "a", changing=False) + ");", table=TABLES, start=False) as s:
    configured(s, config)
    s.daemon.start()
    senders = [Sender(s, "s%d" % i) for i in range(SENDERS)]
    for one in senders:
        one.start()
    kills = 0
    for k in range(ROUNDS):
        configured(s, config)
        if chance.random() < 0.15:
            kills += 1
            reload_and_kill(s)
        else:
            broken = sum(x.broken for x in senders)
            time.sleep(0.05)
            reload_once(s)
            equal(sum(x.broken for x in senders) - broken <= SENDERS, True, "connections that a reload broke")
    for one in senders:
        one.ended.set()
    for one in senders:
        one.join()
    equal([x for one in senders for x in one.refused], [], "answers that were no 202")
    s.delivered()
    ids = {i for one in senders for i in one.accepted}
    tables(s, ids)
    equal(s.daemon.stop(), 0, "exit code")
    print("%d reloads, %d of them with a kill; %d events" % (ROUNDS, kills, len(ids)))
