#!/bin/sh
# SPDX-License-Identifier: MIT
# kill -9 of the daemon and of Postgres under load: every acknowledged event is
# one row, one dead letter or one deliberate drop.  With one connection to
# Postgres, and with several.
campaign=$IL_SRCDIR/tests/faults/campaign.py
python3 "$campaign" --trials 2 --events 60000 --kills 5 || exit
exec python3 "$campaign" --trials 2 --events 60000 --kills 5 --connections 3
