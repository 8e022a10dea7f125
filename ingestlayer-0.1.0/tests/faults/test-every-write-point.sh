#!/bin/sh
# SPDX-License-Identifier: MIT
# Stopped at a sample of all writes, syncs, renames ... of a small scenario,
# with torn writes and power cuts, and with failing calls and allocations: what
# was acknowledged arrives once.  `make check-faults` tries every point.
points=$IL_SRCDIR/tests/faults/points.py
python3 "$points" --every 16 kill torn power && python3 "$points" --every 45 errors &&
    python3 "$points" --every 250 memory
