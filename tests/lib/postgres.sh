# SPDX-License-Identifier: MIT
# A private Postgres for a test or the demo.  Source it:
#
#   . "$IL_SRCDIR/tests/lib/postgres.sh"
#   pg_start DIR [SETTING=VALUE ...]   makes and starts a cluster in DIR
#   psql -c 'select 1'                 PGHOST PGPORT PGUSER PGDATABASE are set
#   pg_kill                            as kill -9 of the whole server would
#   pg_restart [SETTING=VALUE ...]     starts it again (crash recovery included)
#   pg_stop                            stops it; DIR is the caller's to remove
#
# It listens on a socket in DIR and on a free loopback port, trusts whoever can
# reach them as the superuser "ingest", and uses the distribution's binaries.
# initdb refuses root, so root drops to "postgres" or "nobody".  fsync is off
# unless a setting says otherwise: kill -9 of processes loses nothing then,
# only a power cut would.  No system cluster is touched.
#
# pg_available says whether a server can be started at all: a test then skips
# with exit code 77.

pg_bindir() {
    if [ -n "${PG_BINDIR-}" ] && [ -x "$PG_BINDIR/initdb" ]; then
        return 0
    fi
    PG_BINDIR=$(pg_config --bindir 2>/dev/null)
    [ -x "$PG_BINDIR/initdb" ] && return 0
    for PG_BINDIR in $(ls -d /usr/lib/postgresql/*/bin /usr/pgsql-*/bin \
        2>/dev/null | sort -rV); do
        [ -x "$PG_BINDIR/initdb" ] && return 0
    done
    PG_BINDIR=
    return 1
}

pg_available() {
    pg_bindir || return 1
    [ "$(id -u)" != 0 ] || [ -n "$(pg_other_user)" ]
}

pg_other_user() {
    for pg_candidate in postgres nobody; do
        if id "$pg_candidate" >/dev/null 2>&1; then
            echo "$pg_candidate"
            return 0
        fi
    done
}

# Run a command as the owner of the cluster, in its folder.
pg_as() {
    if [ "$(id -u)" = 0 ]; then
        (cd "$PG_DIR" && exec setpriv --reuid "$(pg_other_user)" \
            --regid "$(id -g "$(pg_other_user)")" --clear-groups "$@")
    else
        (cd "$PG_DIR" && exec "$@")
    fi
}

# pg_start DIR [SETTING=VALUE ...]
pg_start() {
    pg_bindir || { echo "no postgres server binaries found" >&2; return 1; }
    PG_DIR=$1
    shift
    mkdir -p "$PG_DIR" || return 1
    PG_DIR=$(cd "$PG_DIR" && pwd) || return 1
    if [ "$(id -u)" = 0 ]; then
        chown "$(pg_other_user)" "$PG_DIR" || return 1
        # mktemp -d makes folders that only their owner may enter.
        chmod 755 "$PG_DIR" "$(dirname "$PG_DIR")" || return 1
    fi
    PGHOST=$PG_DIR PGUSER=ingest PGDATABASE=postgres
    PGPORT=$(python3 "$IL_SRCDIR/tests/lib/ports.py") || return 1
    PG_LOG=$PG_DIR/server.log
    export PGHOST PGPORT PGUSER PGDATABASE PG_BINDIR
    PATH=$PG_BINDIR:$PATH
    export PATH
    pg_as "$PG_BINDIR/initdb" -D "$PG_DIR/data" -U "$PGUSER" -E UTF8 \
        --locale=C -A trust -N >"$PG_DIR/initdb.log" 2>&1 || {
        cat "$PG_DIR/initdb.log" >&2
        return 1
    }
    pg_restart "$@"
}

# pg_restart [SETTING=VALUE ...]
pg_restart() {
    pg_as rm -f "$PG_DIR/data/postmaster.pid"
    pg_settings=
    for pg_setting in fsync=off max_connections=50 shared_buffers=32MB "$@"; do
        pg_settings="$pg_settings -c $pg_setting"
    done
    # exec, so that PG_PID is the postmaster and not a shell around it.
    # shellcheck disable=SC2086 # the settings are words
    pg_as "$PG_BINDIR/postgres" -D "$PG_DIR/data" -k "$PG_DIR" -p "$PGPORT" \
        -c listen_addresses=127.0.0.1 $pg_settings >>"$PG_LOG" 2>&1 &
    pg_wrapper=$!
    PG_PID=
    pg_tries=0
    until "$PG_BINDIR/pg_isready" -q -t 1; do
        pg_tries=$((pg_tries + 1))
        if [ $pg_tries -gt 600 ] || ! kill -0 "$pg_wrapper" 2>/dev/null; then
            tail -n 20 "$PG_LOG" >&2
            return 1
        fi
        sleep 0.05
    done
    PG_PID=$(head -n 1 "$PG_DIR/data/postmaster.pid")
}

# kill -9 of the postmaster and of every process it has started.
pg_kill() {
    [ -n "${PG_PID-}" ] || return 0
    kill -STOP "$PG_PID" 2>/dev/null
    pg_children=$(ps -o pid= --ppid "$PG_PID")
    # shellcheck disable=SC2086 # a list of numbers
    kill -KILL "$PG_PID" $pg_children 2>/dev/null
    pg_wait_gone
}

pg_stop() {
    [ -n "${PG_PID-}" ] || return 0
    kill -CONT "$PG_PID" 2>/dev/null
    kill -INT "$PG_PID" 2>/dev/null
    pg_wait_gone
}

pg_wait_gone() {
    wait "$pg_wrapper" 2>/dev/null
    pg_tries=0
    while kill -0 "$PG_PID" 2>/dev/null && [ $pg_tries -lt 200 ]; do
        pg_tries=$((pg_tries + 1))
        sleep 0.05
    done
    PG_PID=
}
