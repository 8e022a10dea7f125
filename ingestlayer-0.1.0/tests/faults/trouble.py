# SPDX-License-Identifier: MIT
"""One scenario of tests/faults/test-postgres-troubles.py: the whole daemon
under steady load, a Postgres, and something that happens to it.

    @trouble(short=True)
    def killed(w):
        '''kill -9 of every process of Postgres'''
        w.start()
        w.flows()
        w.pg.kill_all()
        w.shows("refused", "waiting")    # status, log and metrics say so
        w.lasts(2)                       # events are taken, none goes to the dead letters
        w.pg.start()
        w.heals()                        # without a restart

What follows when it returns is the same for all: the load ends, the lane
delivers what it has, and every event is accounted for (ledger.py)."""
import json
import os
import random
import re
import time
import urllib.request

from clusters import Server
from ledger import DEAD, KEY, Ledger, Load
from servers import Daemon

CONF = """
state_dir = "%(state)s";
entities = { map_size = "64MiB"; }; # valgrind cannot map 64 GiB
drain = "4s";
http  = { listen = "env:GATE"; };
admin = { listen = "env:ADMIN"; };
sources = ( { name = "load"; plugin = "sdk.event"; keys = ( "env:KEY" ); } );
pipelines = (
  { name = "load";
    sources = ( { source = "load"; match = "load.*"; } );
    steps = ( { plugin = "filter.match"; where = "not (kind == drop)"; } );
    destinations = ( { plugin = "warehouse.pg"; connection = "env:DSN"; table = "t.rows";
                       connect_timeout = "3s"; connections = %(connections)d; %(options)s
                       columns = ( %(columns)s { name = "event_id"; value = "$event.id"; },
                                   { name = "n"; value = "$event.payload.n"; },
                                   { name = "kind"; value = "$event.payload.kind"; } ); } ); }
);
"""
# No key: a second copy of a row would show.  Role and rights are what
# `ingestlayer ddl` prints, so that a right can be taken and given back.
ROLE = "create role writer login password 'right'"
DATABASE = """
create schema t; create schema ingestlayer;
create table ingestlayer.lanes (spool uuid, lane text, position bigint not null, epoch bigint not null,
                                primary key (spool, lane));
grant usage on schema t, ingestlayer to writer;
grant select, insert, update on ingestlayer.lanes to writer"""
TABLE = """
create table t.rows (event_id text, n bigint constraint not_negative check (n >= 0), kind text);
grant select, insert on t.rows to writer"""

TROUBLES = {}


class Failed(Exception):
    pass


class Skipped(Exception):
    pass


def trouble(short=False, settings=()):
    """Short ones are part of `make check`; settings are of Postgres."""
    def note(function):
        function.short, function.settings = short, settings
        TROUBLES[function.__name__.replace("_", "-")] = function
        return function
    return note


class World:
    connections = 1  # of each lane to Postgres

    def __init__(self, function, seed, base, template, scale):
        self.function, self.base, self.scale = function, base, scale
        self.random, self.seed = random.Random(seed), seed
        self.ledger, self.loads, self.daemons, self.ends = Ledger(), [], [], []
        self.shown, self.daemon, self.accounts = [], None, "select event_id from t.rows"
        os.chmod(base, 0o755)
        self.pg = Server(os.path.join(base, "a"), function.settings, template)
        self.until_end(self.pg.end)
        self.pg.start()
        self.pg.sql(ROLE)
        self.pg.sql("create database app owner il")

    def until_end(self, call):
        """To be called at the end, the last first."""
        self.ends.append(call)

    def sql(self, text, pg=None, check=True):
        """In the database that gets the rows, as its owner."""
        pg = pg or self.pg
        r = pg.session_run(text)
        if r.returncode and check:
            raise Failed("psql: " + r.stderr.decode(errors="replace"))
        return r.stdout.decode().strip() if not r.returncode else None

    # --- beginning and end ---

    def dsn(self, end=None, more="", user="writer"):
        end = end or self.pg
        return "host=%s port=%d user=%s dbname=app %s" % (end.sock, end.port, user, more)

    def make_daemon(self, name, dsn, options="", columns=""):
        base = os.path.join(self.base, name)
        os.makedirs(base, exist_ok=True)
        conf = os.path.join(base, "ingestlayer.conf")
        with open(conf, "w") as f:
            f.write(CONF % {"state": os.path.join(base, "state"), "connections": self.connections,
                            "options": options, "columns": columns})
        daemon = Daemon(base, conf, {"KEY": KEY, "DSN": dsn})
        self.daemons.append(daemon)
        return daemon

    def start(self, dsn=None, options="", columns="", table=TABLE, rate=400, batch=20, senders=2):
        self.sql(DATABASE)
        self.sql(table)
        self.daemon = self.make_daemon("d", dsn or self.dsn(), options, columns)
        self.daemon.start()
        if rate:
            self.send(self.daemon, "s", rate, batch, senders)

    def send(self, daemon, name, rate=400, batch=20, senders=2):
        for i in range(senders):
            load = Load(self.ledger, daemon.gate, "%d%s%d" % (self.seed, name, i), "%s%d" % (name, i),
                        rate / senders, batch)
            self.loads.append(load)
            load.start()

    def times(self, short, scale=None):
        return short * (scale or self.scale)

    def finish(self, limit=240):
        for load in self.loads:
            load.end()
        self.eventually(lambda: self.lane()["lag_events"] == 0, "the lane delivers all it has", limit)
        self.no_strange_letters()
        wrong, sums = self.ledger.account(self.rows(), [d["event_id"] for d in self.dead()])
        code = self.daemon.stop()
        if code:
            wrong.append("the daemon's exit code was %s" % code)
        if wrong:
            raise Failed("; ".join(wrong[:6]))
        sums["retries"] = self.retries
        return sums

    def clean_up(self):
        for load in self.loads:
            load.aborted = load.ending = True
        for daemon in self.daemons:
            if daemon.proc and daemon.proc.poll() is None:
                daemon.kill()
        for call in reversed(self.ends):
            try:
                call()
            except (OSError, RuntimeError) as e:
                print("cleaning up: %s" % e)

    # --- looking ---

    def rows(self):
        return self.sql(self.accounts).split()

    def status(self, daemon=None):
        daemon = daemon or self.daemon
        r = daemon.command("status", "-c", daemon.conf, "--json")
        if r.returncode:
            raise Failed("status: " + r.stderr.decode())
        return json.loads(r.stdout)

    def lane(self, daemon=None):
        lane = self.status(daemon)["lanes"][0]
        self.retries = lane["retries"]
        return lane

    def dead(self, daemon=None):
        daemon = daemon or self.daemon
        r = daemon.command("dead", "list", "-c", daemon.conf, "--json")
        if r.returncode:
            raise Failed("dead list: " + r.stderr.decode())
        return [json.loads(line) for line in r.stdout.decode().splitlines()]

    def no_strange_letters(self):
        """An outage sends nothing there: what is there was wrong from the start."""
        for letter in self.dead():
            if self.ledger.kinds.get(letter["event_id"]) not in DEAD:
                raise Failed("a dead letter that should be none: %s" % letter)

    def metric(self, name, daemon=None):
        """The sum over all its series."""
        url = "http://127.0.0.1:%d/metrics" % (daemon or self.daemon).admin
        with urllib.request.urlopen(url, timeout=10) as r:
            lines = r.read().decode().splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if re.match(name + r"[{ ]", line))

    def log(self, daemon=None):
        with open((daemon or self.daemon).log, errors="replace") as f:
            return f.read()

    @staticmethod
    def eventually(condition, what, limit=60):
        until = time.monotonic() + limit
        while not condition():
            if time.monotonic() > until:
                raise Failed("not within %d s: %s" % (limit, what))
            time.sleep(0.05)

    # --- what a scenario says ---

    def flows(self, limit=90):
        """Rows arrive: no trouble, and further than before."""
        before = self.lane()["position"]

        def flowing():
            lane = self.lane()
            return lane["state"] == "running" and lane["position"] > before + 50 and not lane.get("last_error")
        self.eventually(flowing, "events flow", limit)

    def moves(self, limit=90):
        """A batch has got in."""
        before = self.lane()["position"]
        self.eventually(lambda: self.lane()["position"] > before, "the lane moves on", limit)

    def shows(self, pattern, *states, limit=40):
        """Status, its form for people, the log and the metrics all tell."""
        last = {}

        def shown():
            last.update(self.lane())
            return last["state"] in states and re.search(pattern, last.get("last_error") or "")
        try:
            self.eventually(shown, "", limit)
        except Failed:
            raise Failed("status never was %s with /%s/; it is %s: %s" % (
                " or ".join(states), pattern, last.get("state"), last.get("last_error"))) from None
        message = last["last_error"]
        self.shown.append("%s: %s" % (last["state"], message))
        people = self.daemon.command("status", "-c", self.daemon.conf).stdout.decode()
        if not re.search(pattern, people):
            raise Failed("`ingestlayer status` does not show /%s/:\n%s" % (pattern, people))
        if not re.search(pattern, self.log()):
            raise Failed("the log does not say /%s/" % pattern)
        number = self.metric("ingestlayer_lane_state")
        if number not in (0, 2, 3, 4):
            raise Failed("metrics say lane_state %d in trouble" % number)
        if "right" in re.findall(r"\w+", message + people):
            raise Failed("the password is in the status: " + message)
        self.no_strange_letters()

    def lasts(self, seconds):
        """The trouble goes on for a while; events are taken all the same."""
        before = len(self.ledger.acked)
        time.sleep(seconds * min(self.scale, 4))
        self.eventually(lambda: len(self.ledger.acked) > before, "events are taken meanwhile", 20)
        self.no_strange_letters()

    def heals(self, limit=120):
        self.flows(limit)
        self.no_strange_letters()
