#!/bin/sh
# SPDX-License-Identifier: MIT
# Steps put events aside while the daemon stops at a sample of all writes that
# this takes, and while it and Postgres are killed: each arrives once.  `make
# check-faults` tries every point.
python3 "$IL_SRCDIR/tests/faults/deferred.py" --every 7 --trials 2
