#!/bin/sh
# SPDX-License-Identifier: MIT
# Dead letters are retried while the daemon stops at a sample of all writes that
# this takes, and while it and Postgres are killed: each arrives once.  `make
# check-faults` tries every point.
python3 "$IL_SRCDIR/tests/faults/retry.py" --every 5 --trials 2
