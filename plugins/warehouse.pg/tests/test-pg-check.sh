#!/bin/sh
# SPDX-License-Identifier: MIT
# The example loads and is quoted in the manual; the manual has every option;
# `ingestlayer ddl` and `check --online` work against a real server.
. "$(dirname "$0")/run-with-postgres.sh"
INGESTLAYER_KEY=test-key-of-the-example
DATABASE_URL=postgresql:///postgres
export INGESTLAYER_KEY DATABASE_URL
here=$IL_SRCDIR/plugins/warehouse.pg
il=$IL_BUILDDIR/ingestlayer

fail() {
    echo "$*" >&2
    exit 1
}

if ! "$il" plugins sdk.event >/dev/null 2>&1; then
    echo "the example's source is not built" >&2
    exit 77
fi
grep -v '^#' "$here/warehouse.pg.conf" | grep . | while IFS= read -r line; do
    grep -qxF -e "$line" "$here/warehouse.pg.5" ||
        fail "the manual lacks: $line"
done || exit 1
options=$("$il" plugins --dump warehouse.pg |
    sed -n 's/^option\.\([a-z_]*\)\.type=.*/\1/p')
[ -n "$options" ] || fail "no options in the dump"
for option in $options; do
    grep -q "^\.It Ic $option\$" "$here/warehouse.pg.5" ||
        fail "the manual lacks the option $option"
done
sed -n '/^\.Sh OPTIONS/,/^\.Sh VALUES/s/^\.It Ic //p' "$here/warehouse.pg.5" |
    while IFS= read -r option; do
        echo "$options" | grep -qx "$option" ||
            fail "the manual has $option, the plugin does not"
    done || exit 1

sed -e "s/8080/0/; /^http/s/\$/ admin = { listen = \"127.0.0.1:0\"; };/" -e "s|/var/lib/ingestlayer|$work/state|" "$here/warehouse.pg.conf" \
    >"$work/good.conf"
"$il" check -c "$work/good.conf" || fail "the example does not load"

pg_start "$work/pg" || exit 1
"$il" check --online -c "$work/good.conf" >"$work/out" 2>&1 ||
    fail "check --online: $(cat "$work/out")"
grep -q 'events"."signups" will be made at start' "$work/out" ||
    fail "check --online says: $(cat "$work/out")"
[ "$(psql -Atc "select count(*) from pg_namespace where nspname = 'events'")" \
    = 0 ] || fail "check --online has made something"
"$il" ddl -c "$work/good.conf" >"$work/ddl" || fail "ddl failed"
psql -q -v ON_ERROR_STOP=1 -f "$work/ddl" || fail "the DDL does not run"
psql -Atc 'select user_id, count, payload from events.signups' ||
    fail "the DDL makes another table"

# Postgres keeps 63 bytes of a name, and would cut the rest in silence.
long=$(printf '%064d' 0 | tr 0 x)
for wrong in "create = true" "table = \"$long.t\"" "table = \"t.$long\"" \
    "lanes_schema = \"$long\"" "unique_column = \"$long\"" \
    "payload_column = \"$long\"" \
    "columns = ( { name = \"$long\"; value = \"\$event.id\"; } )"; do
    sed -e "s/table = .*create = true/table = \"t\"; $wrong/" \
        -e 's/table = "t"; table/table/' -e "s/\"count\"/\"$long\"/" \
        "$work/good.conf" >"$work/bad.conf"
    if "$il" check -c "$work/bad.conf" >"$work/out" 2>&1; then
        fail "a name of 64 bytes was taken: $wrong"
    fi
    grep -q "64 bytes; Postgres keeps 63" "$work/out" ||
        fail "$wrong: $(cat "$work/out")"
done

sed 's/env:DATABASE_URL/hunter2 nonsense/' "$work/good.conf" >"$work/bad.conf"
if "$il" check -c "$work/bad.conf" >"$work/out" 2>&1; then
    fail "a bad connection string was taken"
fi
grep -q 'connection: is no libpq connection string' "$work/out" ||
    fail "$(cat "$work/out")"
if grep -q hunter2 "$work/out"; then
    fail "the secret was printed"
fi

# Of such a password a part would be taken for the host or database.
for password in hun@ter2 hun@ter2/x; do
    sed "s|env:DATABASE_URL|postgresql://me:$password@db.example/db|" \
        "$work/good.conf" >"$work/bad.conf"
    if "$il" check -c "$work/bad.conf" >"$work/out" 2>&1; then
        fail "a host with an @ was taken"
    fi
    grep -q "connection: the host or database has an '@' in it; write %40" \
        "$work/out" || fail "$(cat "$work/out")"
    if grep -q ter2 "$work/out"; then
        fail "a part of the secret was printed"
    fi
done
