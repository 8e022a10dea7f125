#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Speed, side by side: each case beside its limit on the same machine in the
same run, interleaved, several rounds; medians and ratios, never a verdict of a
test.  `make bench`, or `make bench CASE=w1a`.

  w1a, w1f   HTTP to the visible row, batches of 500, all rows or three tenths,
             beside one binary COPY of the very same rows into the same table
  remember   w1a with dedupe (a key an event) and count (a key a user), beside w1a
  backlog    Postgres away while all events come, then W1a out of the spool
  upsert     the same into a table of users, the latest event of each, beside the
             same rows in psql: a temporary table and ON CONFLICT a batch
  gate       HTTP to 202, no pipeline, beside scanning the same JSON
  filter, enrich
             a lane alone, from the spool to a destination that settles at
             once, beside a lane without steps
  single64, single256
             one event a request, beside a loop that does nothing but read,
             append, sync and answer
  webhook    deliveries of webhook.out over 64 kept connections, beside wrk with
             as many to the same endpoint
  beside, beside_all
             w1a beside a lane whose endpoint is gone and that wants one event in
             some hundred, or all, beside w1a without that
  tapped     the same beside `ingestlayer tap` of that lane, as fast as it shows
  latency    1,000 events/s, defaults: POST to 202 beside the disk's fdatasync,
             and POST to the visible row

nginx (which answers and keeps nothing), rsyslog with rsyslog-pgsql and wrk run
beside them where they are installed.

Memory is what the process has for itself (RssAnon), at its peak.  The columns
"ours" and "pg" are seconds of CPU per million events, of the daemon and of
Postgres with all its processes."""
import argparse
import os
import statistics
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]
from cases import COMPARED_BY_CPU, RATES, Cases  # noqa: E402
from peers import Peers, missing  # noqa: E402
from results import machine, replace_section  # noqa: E402
from rig import Rig  # noqa: E402

HEADING = "## Side by side"


class Progress:
    """A line for each run, with how much is left."""

    def __init__(self, total):
        self.total, self.count, self.began = total, 0, time.monotonic()

    def show(self, round_number, name, result):
        self.count += 1
        spent = time.monotonic() - self.began
        print("[%d/%d, about %d s to go] round %d  %-10s %s" % (
            self.count, self.total, spent / self.count * (self.total - self.count), round_number, name, "  ".join(
                "%s %.3g" % (k, v) if v < 1000 else "%s %dk" % (k, v / 1000) for k, v in result.items())),
            file=sys.stderr, flush=True)


def complete(name, result, limit):
    """Add what is told by two runs together."""
    if limit:
        if name in COMPARED_BY_CPU:
            result["ratio"] = limit["ours"] / result["ours"]
        else:
            result["ratio"] = result["rate"] / limit["rate"]
    for key in ("lane", "all") if limit else ():
        if key in result and key in limit:
            result[key + "_ratio"] = result[key] / limit[key]
    if "sync_p99" in result:
        result["syncs"] = result["p99"] / result["sync_p99"]


def run(names, rounds, events):
    """{(case, what ran for it): [result of each round]}"""
    rig = Rig(events)
    results, skipped = {}, {}
    try:
        rig.pg.stop()
        rig.pg.settings += ["-c", "track_commit_timestamp=on"]
        rig.pg.start()
        cases = Cases(rig)
        peers = Peers(rig, cases)
        plan = []
        for name in names:
            limit, references, _ = RATES[name]
            skipped.update((r, missing(r)) for r in [limit] + references if missing(r))
            plan += [(name, limit, cases)] if limit and limit not in skipped else []
            plan += [(name, r, cases if hasattr(cases, r) else peers) for r in references if r not in skipped]
            plan.append((name, name, cases))
        for reason in sorted(set(skipped.values())):
            print("skipped: " + reason, file=sys.stderr)
        progress = Progress(rounds * len(plan))
        for i in range(rounds):
            # What drifts within a round does not always favour the same one.
            for name, what, owner in reversed(plan) if i % 2 else plan:
                result = getattr(owner, what)()
                results.setdefault((name, what), []).append(result)
                progress.show(i + 1, what, result)
            for name in names:
                limit = results.get((name, RATES[name][0]))
                complete(name, results[(name, name)][i], limit[i] if limit else None)
    finally:
        rig.close()
    return results, sorted(set(skipped.values()))


def verdict(runs, key, bound):
    if key not in runs[0]:
        return "not known"
    value = statistics.median(r[key] for r in runs)
    if key == "rate":
        shown = "%.0fk" % (value / 1000)
    else:
        shown = "%.2f" % value if value < 10 else "%.0f" % value
    return "%s: %s" % ("yes" if (value >= bound if bound > 0 else value <= -bound) else "no", shown)


def line(name, runs, ratios="", target="", met=""):
    def col(key, fmt):
        return fmt % statistics.median(r[key] for r in runs) if runs and key in runs[0] else ""
    return ("%-11s %9s %7s %7s %5s  %-16s  %-24s %s" % (
        name, col("rate", "%.0f"), col("ours", "%.2f"), col("pg", "%.2f"), col("memory", "%.0f"), ratios, target,
        met)).rstrip()


def table(names, results):
    """Of each case the median of its rounds, what it is compared with, and a
    line for each target."""
    lines = ["%-11s %9s %7s %7s %5s  %-16s  %-24s %s" % ("case", "events/s", "ours", "pg", "MB", "ratio to its",
                                                        "target", "met"),
             "%-11s %9s %7s %7s %5s  %-16s" % ("", "", "s/M", "s/M", "", "limit: min med max")]
    for name in names:
        limit, references, targets = RATES[name]
        runs, ratios = results[(name, name)], ""
        if "ratio" in runs[0]:
            sorted_ratios = sorted(r["ratio"] for r in runs)
            ratios = "%.2f %.2f %.2f" % (sorted_ratios[0], statistics.median(sorted_ratios), sorted_ratios[-1])
        if not targets:
            lines.append(line(name, runs, ratios))
        for i, (key, bound, text) in enumerate(targets):
            text = (">= " if bound > 0 else "<= ") + text if ":" not in text else text.replace(": ", " <= ", 1)
            lines.append(line(name if i == 0 else "", runs if i == 0 else [], ratios if i == 0 else "", text,
                              verdict(runs, key, bound)))
        for other in ([limit] if limit else []) + references:
            if (name, other) in results:
                lines.append(line("  " + other, results[(name, other)]))
        if "row_p50" in runs[0]:
            lines.append("  in ms: 202 p50 %.2f p99 %.2f; row p50 %.1f p99 %.1f; fdatasync p50 %.2f p99 %.2f" % tuple(
                statistics.median(r[k] for r in runs)
                for k in ("p50", "p99", "row_p50", "row_p99", "sync_p50", "sync_p99")))
    return lines


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--events", type=int, default=1000000)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--case", default="", help="names, with blanks between them; all")
    p.add_argument("--results", metavar="FILE", help="write the table there, too")
    args = p.parse_args()
    names = args.case.split() or list(RATES)
    if set(names) - set(RATES):
        p.error("no such case; there are " + " ".join(RATES))
    load = " ".join("%.1f" % n for n in os.getloadavg())
    results, skipped = run(names, args.rounds, args.events)
    lines = table(names, results) + ["skipped: " + s for s in skipped]
    print("\n" + "\n".join(lines))
    if args.results:
        replace_section(args.results, HEADING, """
`make bench RESULTS=1` wrote this section: %d rounds of %d events, medians. %s. Load when it began: %s.

```
%s
```
""" % (args.rounds, args.events, machine(), load, "\n".join(lines)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
