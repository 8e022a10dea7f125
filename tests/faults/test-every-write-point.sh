#!/bin/sh
# SPDX-License-Identifier: MIT
# Stopped at a sample of all writes, syncs, renames ... of a small scenario,
# with torn writes and power cuts, and with failing calls and allocations: what
# was acknowledged arrives once.  `make check-faults` tries every point.
points=$IL_SRCDIR/tests/faults/points.py
python3 "$points" --every 12 kill torn power && python3 "$points" --every 25 errors &&
    python3 "$points" --every 150 memory
