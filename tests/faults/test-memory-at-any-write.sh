#!/bin/sh
# SPDX-License-Identifier: MIT
# Stopped or disturbed at a sample of all writes of what steps remember, of
# checkpoints and of merges: what they remember at the end, and what became of
# each event, is what it is without.  `make check-faults` tries more of them.
exec python3 "$IL_SRCDIR/tests/faults/remembered.py" --every 180 --ops write sync
