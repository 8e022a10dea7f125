# SPDX-License-Identifier: MIT
# run-with-postgres.sh PROGRAM: run a test program of warehouse.pg beside a
# private Postgres.  Sourced by the test-pg-*.sh files.
: "${IL_SRCDIR:=$(cd "$(dirname "$0")/../../.." && pwd)}"
: "${IL_BUILDDIR:=$PWD}"
. "$IL_SRCDIR/tests/lib/postgres.sh"

IL_PLUGIN=$IL_BUILDDIR/plugins/warehouse.pg/.libs/warehouse.pg.so
export IL_PLUGIN IL_SRCDIR IL_BUILDDIR
if ! pg_available; then
    echo "no postgres server to test against" >&2
    exit 77
fi
work=$(mktemp -d) || exit 1
trap 'pg_stop; rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

run_program() {
    program=$IL_BUILDDIR/plugins/warehouse.pg/tests/$1
    shift
    if [ -n "$IL_VALGRIND" ]; then
        CK_FORK=no sh "$IL_SRCDIR/tests/checkers/valgrind.sh" "$program" "$@"
    else
        "$program" "$@"
    fi
}
