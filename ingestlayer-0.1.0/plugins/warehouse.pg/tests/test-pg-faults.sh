#!/bin/sh
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/run-with-postgres.sh"
pg_start "$work/pg" || exit 1
run_program test-pg-faults || exit 1

# kill -9 of the whole server in the middle of a load, three times.
LOAD_UNTIL=$work/enough
export LOAD_UNTIL
psql -Xqc "drop table if exists events.t"
run_program test-pg-faults load &
load=$!
# The load must be flowing again before the next kill, or two are seen as one.
flows() {
    tries=0
    until now=$(psql -XAtqc "select count(*) from events.t" 2>/dev/null) &&
        [ "$now" -gt "$1" ]; do
        tries=$((tries + 1))
        [ $tries -lt 600 ] || return 1
        sleep 0.05
    done
}
rows=0
for _ in 1 2 3; do
    flows "$rows" || exit 1
    sleep 0.2
    pg_kill
    sleep 0.2
    pg_restart || exit 1
    # From here on: what was on its way at the kill is in by now.
    rows=$(psql -XAtqc "select count(*) from events.t")
done
flows "$rows" || exit 1
touch "$LOAD_UNTIL"
wait "$load"
