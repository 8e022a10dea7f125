#!/bin/sh
# SPDX-License-Identifier: MIT
# The same with on_conflict: the table is the model's in the end, and so are the
# letters, whatever was killed; with one sender, whose events may be refused for
# other rows, with four, and with nodes that write the same keys.
campaign=$IL_SRCDIR/tests/faults/campaign.py
python3 "$campaign" --trials 2 --events 20000 --kills 4 --upsert any --senders 1 || exit
python3 "$campaign" --trials 3 --events 20000 --kills 4 --upsert any || exit
exec python3 "$campaign" --trials 1 --events 20000 --kills 6 --upsert newer --nodes 3
