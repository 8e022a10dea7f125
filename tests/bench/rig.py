# SPDX-License-Identifier: MIT
"""What the cases run on: a Postgres, the input, daemons, the sender."""
import os
import shutil
import subprocess
import sys
import tempfile
import time

from measure import cpu
from servers import BUILD, Daemon, Postgres

TOOLS = os.path.join(BUILD, "tests", "bench")
ALL = "exists(user_id)"
KEEP = "feature in {csv.export, api.call, report.view}"
TABLE = """drop table if exists w1;
create table w1 (event_id text primary key, received_at timestamptz, type text, user_id text, feature text,
                 count bigint, plan text, account text, payload jsonb)"""
BY_USER = TABLE.replace("event_id text primary key", "event_id text").replace("user_id text", "user_id text primary key")
UPSERT = 'on_conflict = "update"; conflict = ( "user_id" );'
# A key for each event, and a count for each user.
REMEMBER = """,
              { plugin = "dedupe"; key = "$event.id"; },
              { plugin = "count"; key = "$event.payload.user_id"; }"""
CONF = """
state_dir = "%(state)s";
log_level = "warn";
http  = { listen = "env:GATE"; max_connections = 16000; max_connections_per_address = 0; };
admin = { listen = "env:ADMIN"; };
spool = { retain = "%(retain)s"; };
%(more)s
sources = ( { name = "app"; plugin = "sdk.event"; keys = ( "bench" ); } );
pipelines = ( %(pipelines)s );
"""
PIPELINE = """
  { name = "w1"; sources = ( { source = "app"; match = "feature.used"; } );
    steps = ( { plugin = "filter.match"; where = "%s"; },
              { plugin = "enrich.entity"; kind = "user"; key = "$event.payload.user_id"; }%s );
    destinations = ( { plugin = "warehouse.pg"; connection = "env:DSN"; table = "w1"; connections = %d;
      columns = ( { name = "event_id"; value = "$event.id"; },
                  { name = "received_at"; value = "$event.received_at"; },
                  { name = "type"; value = "$event.type"; },
                  { name = "user_id"; value = "$event.payload.user_id"; },
                  { name = "feature"; value = "$event.payload.feature"; },
                  { name = "count"; value = "$event.payload.count"; },
                  { name = "plan"; value = "$event.payload.plan"; },
                  { name = "account"; value = "$entity.user.account"; } );
      payload_column = "payload"; %s } ); }
"""


def pipeline(where, connections=1, steps="", more=""):
    return PIPELINE % (where, steps, connections, more)


class Rig:
    def __init__(self, events):
        self.events = events
        self.base = tempfile.mkdtemp(prefix="il-bench-")
        os.environ["TMPDIR"] = self.base  # so that what others make goes, too
        self.runs = 0
        try:
            self.pg = Postgres(self.base, ["shared_buffers=256MB", "synchronous_commit=on", "max_wal_size=8GB",
                                           "checkpoint_timeout=30min", "autovacuum=off"])
            self.pg.start()
            self.users = self.generate("users.ndjson", "users")
        except BaseException:
            self.close()
            raise

    def close(self):
        if hasattr(self, "pg"):
            self.pg.stop()
        shutil.rmtree(self.base)

    def generate(self, name, *args):
        path = os.path.join(self.base, name)
        if not os.path.exists(path):
            with open(path, "wb") as f:
                subprocess.run([os.path.join(TOOLS, "gen"), *args], stdout=f, check=True)
        return path

    def folder(self):
        self.runs += 1
        path = os.path.join(self.base, "run%d" % self.runs)
        os.mkdir(path)
        return path

    def tool(self, name, *args):
        """The output of one of the programs beside this one."""
        return subprocess.run([os.path.join(TOOLS, name), *(str(a) for a in args)], stdout=subprocess.PIPE,
                              check=True).stdout.decode()

    @staticmethod
    def config(base, pipelines, more=""):
        conf = os.path.join(base, "bench.conf")
        with open(conf, "w") as f:
            f.write(CONF % {"state": base + "/state", "pipelines": pipelines, "more": more,
                            "retain": "0s" if pipelines else "1h"})
        return conf

    def daemon(self, pipelines, users=False, base=None, more=""):
        """Started, over an empty state or that of an earlier one."""
        base = base or self.folder()
        conf = self.config(base, pipelines, more)
        env = {"DSN": self.pg.dsn}
        if users:
            r = Daemon(base, conf, env).command("entity", "import", "-c", conf, self.users)
            if r.returncode:
                raise RuntimeError(r.stderr.decode())
        for attempts_left in (2, 1, 0):
            d = Daemon(base, conf, env)
            d.base = base
            try:
                d.start()
                return d
            except RuntimeError:
                with open(d.log) as f:  # it goes with everything else
                    log = f.read()[-4000:]
                # A port that was free a moment ago need not be free now.
                if not attempts_left or "Address already in use" not in log:
                    sys.stderr.write(log)
                    raise

    def send(self, port, *args):
        return {k: float(v) for k, v in (pair.split("=") for pair in self.tool(
            "send", *args, "127.0.0.1", port).split())}

    def empty_table(self, table=TABLE):
        self.pg.sql(table)
        self.pg.sql("checkpoint")

    def rows(self, share):
        """All rows are there: the share of the events that the filter keeps."""
        rows = int(self.pg.sql("select count(*) from w1"))
        if (share == 1 and rows != self.events) or abs(rows / self.events - share) > 0.02:
            raise RuntimeError("%d rows of %d events" % (rows, self.events))

    def alone(self):
        """Wait for the backends of earlier work: their time counts once they
        have ended and were waited for."""
        while self.pg.sql("select count(*) from pg_stat_activity where backend_type = 'client backend'") != "1":
            time.sleep(0.05)
        time.sleep(0.2)

    def pg_cpu(self):
        return cpu(self.pg.proc.pid)

    @staticmethod
    def spooled(base):
        """Bytes of the spool's segments."""
        folder = os.path.join(base, "state", "spool")
        return sum(e.stat().st_size for e in os.scandir(folder) if e.name.endswith(".seg"))


def discard(d):
    """The daemon and its state go."""
    try:
        d.stop()
    finally:
        shutil.rmtree(d.base)
