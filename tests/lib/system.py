# SPDX-License-Identifier: MIT
"""A whole system for one end-to-end test: Postgres, a config, the daemon.

    with System(CONF) as s:
        s.post([...])
        s.delivered()
        s.pg.sql("select ...")

CONF is a libconfig text; %(base)s in it is the test's own folder.  The
variables GATE, ADMIN, KEY and DSN are in the daemon's environment."""
import gzip
import json
import os
import shutil
import sys
import tempfile
import time
import urllib.error
import urllib.request

from servers import PATIENCE, Daemon, Postgres, plugins_of, postgres_bindir, without_plugin

KEY = "test-key"
HEAD = """
state_dir = "%(base)s/state";
entities = { map_size = "64MiB"; }; # valgrind cannot map 64 GiB
http  = { listen = "env:GATE"; };
admin = { listen = "env:ADMIN"; };
sources = ( { name = "app"; plugin = "sdk.event"; keys = ( "env:KEY" ); } );
"""
# Everything into one table without a key, so that a second copy would show.
PLAIN = HEAD + """
pipelines = (
  { name = "all";
    sources = ( { source = "app"; match = "*"; } );
    destinations = ( { plugin = "warehouse.pg"; connection = "env:DSN"; table = "t.rows";
                       columns = ( { name = "event_id"; value = "$event.id"; },
                                   { name = "n"; value = "$event.payload.n"; } ); } ); }
);
"""
TABLE = "create schema t; create table t.rows (event_id text, n bigint)"


class Failed(Exception):
    pass


class System:
    def __init__(self, conf, start_postgres=True, start=True, table=TABLE, env=None, kind=Daemon):
        if not postgres_bindir():
            print("no Postgres server found")
            sys.exit(77)
        why = without_plugin(plugins_of(conf))
        if why:
            print(why)
            sys.exit(77)
        self.base = tempfile.mkdtemp(prefix="il-test-")
        self.pg = self.daemon = None
        try:
            self.set_up(conf, start_postgres, start, table, env or {}, kind)
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise

    def set_up(self, conf, start_postgres, start, table, env, kind):
        self.pg = Postgres(self.base, settings=["fsync=off"])
        self.pg.start()
        if table:
            self.pg.sql(table)
        if not start_postgres:
            self.pg.stop()
        self.conf = os.path.join(self.base, "ingestlayer.conf")
        with open(self.conf, "w") as f:
            f.write(conf % {"base": self.base})
        self.daemon = kind(self.base, self.conf, dict({"KEY": KEY, "DSN": self.pg.dsn}, **env))
        if start:
            self.daemon.start()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if self.daemon and self.daemon.proc and self.daemon.proc.poll() is None:
            self.daemon.kill()
        if self.pg:
            self.pg.stop()
        if kind and self.daemon and os.path.exists(self.daemon.log):
            with open(self.daemon.log, errors="replace") as f:
                print("--- the daemon's log ends:", *f.readlines()[-40:], sep="\n")
        shutil.rmtree(self.base, ignore_errors=True)

    def http(self, method, path, body=None, headers=None, key=KEY, admin=False):
        """(status, parsed body, headers)"""
        port = self.daemon.admin if admin else self.daemon.gate
        head = {"Content-Type": "application/json"}
        if key:
            head["Authorization"] = "Bearer " + key
        head.update(headers or {})
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        req = urllib.request.Request("http://127.0.0.1:%d%s" % (port, path), body, head, method=method)
        try:
            with urllib.request.urlopen(req, timeout=60 * PATIENCE) as r:
                status, text, got = r.status, r.read(), r.headers
        except urllib.error.HTTPError as e:
            status, text, got = e.code, e.read(), e.headers
        try:
            return status, json.loads(text), got
        except ValueError:
            return status, text.decode(errors="replace"), got

    def post(self, events, want=202, **kw):
        status, answer, _ = self.http("POST", "/v1/ingest", events, **kw)
        equal(status, want, "status of POST /v1/ingest (%s)" % answer)
        return answer

    def gzipped(self, events, want=202):
        return self.post(gzip.compress(json.dumps(events).encode()), want,
                         headers={"Content-Encoding": "gzip"})

    def status(self):
        r = self.daemon.command("status", "-c", self.conf, "--json")
        if r.returncode:
            raise Failed("status: " + r.stderr.decode())
        return json.loads(r.stdout)

    def lane(self, name=None):
        return [lane for lane in self.status()["lanes"] if name in (None, lane["name"])][0]

    def delivered(self, limit=60):
        eventually(lambda: all(lane["lag_events"] == 0 for lane in self.status()["lanes"]),
                   "every lane delivers what it has", limit)

    def dead(self, *options):
        r = self.daemon.command("dead", "list", "-c", self.conf, "--json", *options)
        if r.returncode:
            raise Failed("dead list: " + r.stderr.decode())
        return [json.loads(line) for line in r.stdout.decode().splitlines()]


def equal(actual, expected, what):
    if actual != expected:
        raise Failed("%s: expected %r, got %r" % (what, expected, actual))


def contains(text, part, what):
    if part not in text:
        raise Failed("%s: expected %r in %r" % (what, part, text))


def eventually(condition, what, limit=30):
    until = time.monotonic() + limit * PATIENCE
    while not condition():
        if time.monotonic() > until:
            raise Failed("not within %d s: %s" % (limit, what))
        time.sleep(0.05)


def event(i, **payload):
    return {"id": "e%06d" % i, "type": "test.event", "payload": dict({"n": i}, **payload)}
