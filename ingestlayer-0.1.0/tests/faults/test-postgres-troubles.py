#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What can happen to Postgres, under a whole daemon with steady load: see
trouble.py.  Without options the short scenarios, once each; --all for all of
them.  The seed of one that fails is printed; --seed and its name repeat it."""
import argparse
import concurrent.futures
import os
import random
import shutil
import sys
import tempfile
import threading
import time

sys.path[:0] = [os.path.dirname(os.path.abspath(__file__)),
                os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib")]
from clusters import Server  # noqa: E402
from servers import plugins_of, postgres_bindir, without_plugin  # noqa: E402
from trouble import CONF, TROUBLES, Failed, Skipped, World  # noqa: E402
import troubles_network  # noqa: E402,F401
import troubles_rows  # noqa: E402,F401
import troubles_schema  # noqa: E402,F401
import troubles_server  # noqa: E402,F401
import troubles_transactions  # noqa: E402,F401

SAY = threading.Lock()


def say(text):
    with SAY:
        print(text, flush=True)


def run(name, seed, scale, template, verbose):
    """One scenario; its line of the table."""
    base = tempfile.mkdtemp(prefix="il-trouble-")
    began, world, result = time.monotonic(), None, {"name": name, "seed": seed, "state": "ok", "why": ""}
    try:
        world = World(TROUBLES[name], seed, base, template, scale)
        TROUBLES[name](world)
        result.update(world.finish())
    except Skipped as e:
        result.update(state="skipped", why=str(e))
    except (Failed, RuntimeError, OSError) as e:
        result.update(state="FAILED", why="%s (seed %d, files in %s)" % (e, seed, base))
        if world and world.daemon and os.path.exists(world.daemon.log):
            result["log"] = world.log().splitlines()[-30:]
    finally:
        if world:
            result["shown"] = world.shown
            world.clean_up()
    result["seconds"] = time.monotonic() - began
    if result["state"] != "FAILED":
        shutil.rmtree(base, ignore_errors=True)
    say("%-7s %s (%s), %.0f s%s" % (result["state"], name, TROUBLES[name].__doc__, result["seconds"],
                                    ": " + result["why"] if result["why"] else ""))
    if verbose or result["state"] == "FAILED":
        say("\n".join("  " + line for line in result.get("shown", []) + result.get("log", [])))
    return result


def summary(results):
    say("\n%-36s %7s %8s %8s %6s %6s %8s %5s" % ("scenario", "state", "acked", "rows", "dead", "drops", "retries", "s"))
    sums = {}
    for r in sorted(results, key=lambda r: (r["name"], r["seed"])):
        say("%-36s %7s %8d %8d %6d %6d %8d %5.0f" % (
            (r["name"], r["state"]) + tuple(r.get(k, 0) for k in ("acked", "rows", "dead", "drops", "retries", "seconds"))))
        for k in ("acked", "rows", "dead", "drops"):
            sums[k] = sums.get(k, 0) + r.get(k, 0)
    failed = [r for r in results if r["state"] == "FAILED"]
    say("%d scenarios, %d failed%s; %s" % (len(results), len(failed), "".join(
        "\n  %s --seed %d" % (r["name"], r["seed"]) for r in failed), ", ".join("%s %d" % p for p in sums.items())))
    return 1 if failed else 0


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("names", nargs="*", help="scenarios; else all short ones")
    p.add_argument("--all", action="store_true")
    p.add_argument("--list", action="store_true", help="names and what they are")
    p.add_argument("--seed", default="", help="of the first round; else by chance")
    p.add_argument("--rounds", type=int, default=1, help="each scenario so often")
    p.add_argument("--scale", type=int, default=1, help="so many times the faults in each")
    p.add_argument("--jobs", type=int, default=4, help="scenarios at a time; most of it is waiting")
    p.add_argument("--connections", type=int, default=1, help="of each lane to Postgres")
    p.add_argument("--verbose", action="store_true", help="what the status showed")
    args = p.parse_args()
    World.connections = args.connections
    if args.list:
        for name, function in TROUBLES.items():
            print("%-36s %s" % (name, function.__doc__))
        return 0
    why = None if postgres_bindir() else "no Postgres server found"
    why = why or without_plugin(plugins_of(CONF))
    if why:
        print(why)
        return 77
    names = args.names or [n for n, f in TROUBLES.items() if args.all or f.short]
    seed = int(args.seed) if args.seed else random.SystemRandom().randrange(1 << 30)
    folder = tempfile.mkdtemp(prefix="il-trouble-")
    os.chmod(folder, 0o755)
    try:
        template = Server(os.path.join(folder, "template"))
        with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
            todo = [pool.submit(run, name, seed + i, args.scale, template, args.verbose)
                    for i in range(args.rounds) for name in names]
            return summary([t.result() for t in todo])
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())
