#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Instructions per event of a warehouse lane, by the threads that are its own,
where nothing is beside it and where something is: a lane whose endpoint is gone
and that wants one event in some hundred, or all of them; somebody who looks.
The daemon runs under callgrind, with its threads apart, and has all events in its
spool before it starts; what else the machine does changes nothing here but how
often a lane finds its far side not ready yet.

  make bench-beside [BENCHFLAGS="--events 50000"]"""
import argparse
import glob
import os
import re
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
from deliver import LANE, hook  # noqa: E402
from measure import Admin  # noqa: E402
from rig import ALL, Rig, discard, pipeline  # noqa: E402
from servers import BUILD, INGESTLAYER, Daemon, free_port  # noqa: E402

SOME = 'when = "feature == csv.export and plan == free and count == 2";'
MAP = 'entities = { map_size = "1GiB"; };'  # valgrind cannot map 64 GiB
CASES = {
    "alone": (lambda: "", False),
    "beside": (lambda: hook(free_port(), SOME), False),
    "beside_all": (lambda: hook(free_port()), False),
    "tapped": (lambda: "", True),
}


class Counted(Daemon):
    """Under callgrind; a file for each thread."""

    def launch(self):
        plugins = glob.glob(os.path.join(BUILD, "plugins", "*", ".libs"))
        env = dict(self.env, INGESTLAYER_PLUGIN_PATH=":".join(plugins))
        self.out = os.path.join(os.path.dirname(self.conf), "callgrind")
        with open(self.log, "ab") as log:
            return subprocess.Popen(
                ["valgrind", "-q", "--tool=callgrind", "--separate-threads=yes", "--compress-strings=no",
                 "--callgrind-out-file=" + self.out, os.path.join(BUILD, "core", "ingestlayer"), "run", "-c", self.conf],
                env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def instructions(out):
    """Of the lane's thread, and of those that its destination has started: all
    but the main one that are in warehouse.pg; and of all the daemon's but the main
    one, which starts and ends it."""
    lane, everything = 0, 0
    for path in glob.glob(out + "-*"):
        if path.endswith("-01"):
            continue
        with open(path) as f:
            text = f.read()
        n = int(re.search(r"^totals: (\d+)", text, re.M).group(1))
        everything += n
        lane += n if re.search(r"^ob=.*warehouse\.pg", text, re.M) else 0
    if not lane:
        raise RuntimeError("no thread was in warehouse.pg")
    return lane, everything


def run(rig, case):
    more, tap = CASES[case]
    more = more()
    rig.empty_table()
    where = pipeline(ALL).replace('plugin = "warehouse.pg";', 'plugin = "warehouse.pg"; begin = "oldest";')
    cut = where.rindex(");")
    d = rig.daemon("", users=True, more=MAP)
    looks = None
    try:
        rig.send(d.gate, "-c", 8, "-b", 500, "-n", rig.events)
        d.stop()
        base = d.base
        rig.config(base, where[:cut] + (", " + more if more else "") + where[cut:], MAP)
        d = Counted(base, d.conf, {"DSN": rig.pg.dsn})
        d.base = base
        shown = os.path.join(base, "shown")
        rig.pg.stop()  # until all is there
        try:
            d.start(300)
        except RuntimeError:
            with open(d.log) as f:
                sys.stderr.write(f.read()[-4000:])
            raise
        if tap:
            with open(shown, "wb") as out:
                looks = subprocess.Popen([INGESTLAYER, "tap", "-c", d.conf, "--rate", "100000", LANE], env=d.env,
                                         stdout=out, stderr=subprocess.DEVNULL)
            time.sleep(3)
        rig.pg.start()
        Admin(d.admin).drained(lane=LANE)
        d.stop(600)
        rig.rows(1)
        if tap:
            looks.wait(60)  # it has ended with the daemon
            with open(shown, "rb") as f:
                print("%-11s %d were shown" % ("", len(f.read().splitlines())), file=sys.stderr)
        return [n / rig.events for n in instructions(d.out)]
    finally:
        if looks:
            looks.terminate()
            looks.wait()
        discard(d)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--events", type=int, default=100000)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--case", default="", help="names, with blanks between them; all")
    args = p.parse_args()
    names = args.case.split() or list(CASES)
    if set(names) - set(CASES):
        p.error("no such case; there are " + " ".join(CASES))
    rig = Rig(args.events)
    found = {name: [] for name in names}
    try:
        for _ in range(args.rounds):
            for name in names:
                found[name].append(run(rig, name))
                print("%-11s %8.0f %8.0f" % (name, *found[name][-1]), file=sys.stderr, flush=True)
    finally:
        rig.close()
    print("%-11s %12s  %-17s  %s" % ("case", "instructions", "of alone", "whole daemon"))
    print("%-11s %12s  %-17s" % ("", "of the lane", "min med max"))
    first = statistics.median(lane for lane, _ in found[names[0]])
    for name in names:
        lanes = sorted(lane for lane, _ in found[name])
        print("%-11s %12.0f  %.3f %.3f %.3f  %12.0f" % (
            name, statistics.median(lanes), lanes[0] / first, statistics.median(lanes) / first, lanes[-1] / first,
            statistics.median(everything for _, everything in found[name])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
