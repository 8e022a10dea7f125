#!/bin/sh
# SPDX-License-Identifier: MIT
# A lane that delivers event by event, stopped or disturbed at a sample of all
# writes of what it keeps: no event is lost, none comes again but those that were
# under way.  `make check-faults` tries every point.
exec python3 "$IL_SRCDIR/tests/faults/deliveries.py" --sample 12
