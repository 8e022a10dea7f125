#!/bin/sh
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/run-with-postgres.sh"
pg_start "$work/pg" || exit 1

# One role needs its password over TCP.
{
    echo "host all plain 127.0.0.1/32 scram-sha-256"
    cat "$PG_DIR/data/pg_hba.conf"
} >"$work/hba"
cat "$work/hba" >"$PG_DIR/data/pg_hba.conf"
psql -qc 'select pg_reload_conf()' >/dev/null

# Its own pid file: $! would be the shell that drops the rights.
bouncer=$PG_DIR/bouncer.pid
trap '[ ! -s "$bouncer" ] || kill "$(cat "$bouncer")"; pg_stop; rm -rf "$work"' EXIT
for program in pgbouncer /usr/sbin/pgbouncer; do
    command -v "$program" >/dev/null || continue
    PGBOUNCER_PORT=$(python3 "$IL_SRCDIR/tests/lib/ports.py")
    export PGBOUNCER_PORT
    chmod 755 "$work"
    cat >"$PG_DIR/bouncer.ini" <<INI
[databases]
postgres = host=$PGHOST port=$PGPORT
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $PGBOUNCER_PORT
unix_socket_dir =
auth_type = trust
auth_file = $PG_DIR/bouncer.users
pool_mode = transaction
default_pool_size = 2
logfile = $PG_DIR/bouncer.log
pidfile = $bouncer
INI
    printf '"ingest" ""\n"plain" "right"\n' >"$PG_DIR/bouncer.users"
    chmod 644 "$PG_DIR"/bouncer.*
    pg_as "$program" -q "$PG_DIR/bouncer.ini" >/dev/null 2>&1 &
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        pg_isready -q -h 127.0.0.1 -p "$PGBOUNCER_PORT" && break
        sleep 0.1
    done
    break
done
run_program test-pg-modes
