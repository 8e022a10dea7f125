#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Instructions per event of the hot paths, on a fixed input under callgrind,
beside the figures in counts.txt.  More than 5 % worse fails; 2 % better asks
for the file to be written anew (--write).  A timed test would depend on the
machine's other work; this depends on the compiler, so figures are compared
only where that is the same.

  make bench-count [COUNT=--write]"""
import os
import platform
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAM = os.path.join(os.environ.get("IL_BUILDDIR", os.getcwd()), "tests", "bench", "bench-count")
FIGURES = os.path.join(HERE, "counts.txt")
CASES = {
    "gate": "gate_parse() of arrays of 500, declared fields",
    "read": "a frame's body becomes an event of a batch",
    "filter": "filter.match, a set with globs",
    "enrich": "enrich.entity, the entity read before",
    "encode": "warehouse.pg, nine columns in binary",
}


def build():
    version = subprocess.run([PROGRAM, "compiler"], stdout=subprocess.PIPE, check=True).stdout.decode().strip()
    return "%s, %s, %s" % (platform.machine(), version, os.environ.get("IL_CFLAGS", "?"))


def count(case):
    with tempfile.TemporaryDirectory() as base:
        r = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=" + os.path.join(base, "out"),
                            "--collect-atstart=no", "--toggle-collect=count_" + case, PROGRAM, case],
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(os.environ, TMPDIR=base))
        err = r.stderr.decode(errors="replace")
        found = re.search(r"Collected : (\d+)", err)
        if r.returncode or not found or found.group(1) == "0":
            sys.exit("bench-count: %s did not run:\n%s%s" % (case, r.stdout.decode(), err))
        return int(found.group(1)) / int(r.stdout)


def committed():
    """(build, {case: instructions}) of counts.txt."""
    made, figures = "", {}
    if os.path.exists(FIGURES):
        with open(FIGURES) as f:
            for line in f:
                if line.startswith("# build: "):
                    made = line[9:].strip()
                elif line.strip() and not line.startswith("#"):
                    case, n = line.split()
                    figures[case] = float(n)
    return made, figures


def write(made, figures):
    with open(FIGURES, "w") as f:
        f.write("# Instructions per event of W1; `make bench-count` compares, COUNT=--write writes.\n")
        f.write("# build: %s\n" % made)
        for case, n in figures.items():
            f.write("%-8s %7.1f\n" % (case, n))


def main():
    made, old = committed()
    now = build()
    if "sanitize" in now:
        print("bench-count: a build with sanitizers counts something else", file=sys.stderr)
        return 77
    status, new = 0, {}
    for case, what in CASES.items():
        new[case] = count(case)
        if case in old and made == now:
            change = new[case] / old[case] - 1
            verdict = "WORSE" if change > 0.05 else "better: COUNT=--write" if change < -0.02 else "as before"
            status |= change > 0.05
            print("%-8s %8.1f  %+6.1f %%  %-22s %s" % (case, new[case], change * 100, verdict, what), flush=True)
        else:
            print("%-8s %8.1f  %-32s %s" % (case, new[case], "no figure to compare with", what), flush=True)
    if made != now and old:
        print("\ncounts.txt was made by another build, and is not compared:\n  %s\nthis one:\n  %s" % (made, now))
    if "--write" in sys.argv[1:]:
        write(now, new)
        return 0
    if status:
        print("\nMore than 5 % worse.  If that is the price of something, say so in the commit and write the new "
              "figures:\n  make bench-count COUNT=--write")
    return status


if __name__ == "__main__":
    sys.exit(main())
