#!/bin/sh
# SPDX-License-Identifier: MIT
# kill -9 of the daemon and of Postgres under load: every acknowledged event is
# one row, one dead letter or one deliberate drop.
exec python3 "$IL_SRCDIR/tests/faults/campaign.py" --trials 3 --events 60000 --kills 5
