#!/bin/sh
# SPDX-License-Identifier: MIT
# kill -9 of the daemon and of Postgres under load: every acknowledged event is
# one row, one dead letter or one deliberate drop.  With one connection to
# Postgres, with several, and with several daemons into the one table.
campaign=$IL_SRCDIR/tests/faults/campaign.py
python3 "$campaign" --trials 2 --events 60000 --kills 5 || exit
python3 "$campaign" --trials 2 --events 60000 --kills 5 --connections 3 || exit
exec python3 "$campaign" --trials 1 --events 60000 --kills 8 --nodes 3
