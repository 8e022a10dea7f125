#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The first run of a mirror of entities.pg, beside a bare `copy (query) to stdout`
of the same query, one after the other, several rounds: rows a second, and how many
of COPY's.  And a second run of all rows, of which nothing has changed.

  make bench-mirror [BENCHFLAGS="--rows 1000000 --rounds 3"]"""
import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
from measure import cpu  # noqa: E402
from servers import INGESTLAYER, Daemon, Postgres  # noqa: E402

QUERY = ("select u.id, u.email, a.name as account, a.plan, a.owner, greatest(u.updated_at, a.updated_at) as updated_at"
         " from users u join accounts a on a.id = u.account_id")
TABLES = """
create table accounts (id int primary key, name text, plan text, owner text, updated_at timestamptz default now());
create table users (id text primary key, email text, account_id int, updated_at timestamptz default now());
insert into accounts select i, 'Account ' || i, case i %% 3 when 0 then 'free' else 'pro' end, 'owner' || i %% 50
  from generate_series(0, 9999) i;
insert into users select 'u_' || to_char(i, 'fm00000000'), 'user' || i || '@example.com', i %% 10000
  from generate_series(1, %d) i;
analyze accounts; analyze users"""
CONF = """
state_dir = "%s/state";
admin = { listen = "env:ADMIN"; };
http = { listen = "env:GATE"; };
sources = ( { name = "crm"; plugin = "entities.pg"; connection = "env:DSN";
  mirrors = ( { kind = "user"; key = "id"; every = "1d"; query = "%s"; } ); } );
"""


def mirrored(daemon, before):
    """Seconds of the run that the log tells of next: the daemon's own clock."""
    while True:
        with open(daemon.log) as f:
            done = re.findall(r"mirror user: \d+ rows", f.read())
        if len(done) > before:
            return time.monotonic()
        time.sleep(0.01)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--rows", type=int, default=1000000)
    p.add_argument("--rounds", type=int, default=3)
    args = p.parse_args()
    base = tempfile.mkdtemp(prefix="il-bench-")
    pg = Postgres(base, ["shared_buffers=256MB", "autovacuum=off"])
    rounds = []
    try:
        pg.start()
        pg.sql(TABLES % args.rows)
        for n in range(args.rounds):
            began = time.monotonic()
            with open(os.devnull, "wb") as nothing:
                subprocess.run([os.path.join(pg.bindir, "psql"), "-Xq", "-d", pg.dsn, "-c",
                                "copy (%s) to stdout" % QUERY], stdout=nothing, check=True)
            copy = time.monotonic() - began
            home = os.path.join(base, "run%d" % n)
            os.mkdir(home)
            conf = os.path.join(home, "conf")
            with open(conf, "w") as f:
                f.write(CONF % (home, QUERY))
            d = Daemon(home, conf, {"DSN": pg.dsn})
            began = time.monotonic()
            d.start(300)
            first = mirrored(d, 0) - began
            spent = cpu(d.proc.pid)
            began = time.monotonic()
            subprocess.run([INGESTLAYER, "entity", "mirror", "run", "-c", conf, "crm/user"], env=d.env, check=True)
            again = mirrored(d, 1) - began
            d.stop()
            shutil.rmtree(home)
            rounds.append((copy, first, again))
            print("round %d: COPY %.2f s, first run %.2f s (from the daemon's start; %.2f s of its CPU), again %.2f s"
                  % (n + 1, copy, first, spent, again), flush=True)
        for name, i in (("first run", 1), ("nothing changed", 2)):
            ratios = sorted(r[0] / r[i] for r in rounds)
            print("%-16s %8d rows/s  ratio to COPY: %.2f %.2f %.2f (min med max)"
                  % (name, args.rows / statistics.median(r[i] for r in rounds), ratios[0], statistics.median(ratios),
                     ratios[-1]))
        print("%-16s %8d rows/s" % ("COPY", args.rows / statistics.median(r[0] for r in rounds)))
    finally:
        pg.stop()
        shutil.rmtree(base, ignore_errors=True)


main()
