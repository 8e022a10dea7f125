#!/bin/sh
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/run-with-postgres.sh"
pg_start "$work/pg" || exit 1
run_program test-pg-faults || exit 1

# kill -9 of the whole server in the middle of a load, three times.
LOAD_UNTIL=$work/enough
export LOAD_UNTIL
run_program test-pg-faults load &
load=$!
for _ in 1 2 3; do
    sleep 0.6
    pg_kill
    sleep 0.2
    pg_restart || exit 1
done
sleep 0.4
touch "$LOAD_UNTIL"
wait "$load"
