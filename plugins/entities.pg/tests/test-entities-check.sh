#!/bin/sh
# SPDX-License-Identifier: MIT
# The example loads and is quoted in the manual; the manual has every option; wrong
# settings are named; `check --online` shows columns, rights and plans.
: "${IL_SRCDIR:=$(cd "$(dirname "$0")/../../.." && pwd)}"
: "${IL_BUILDDIR:=$PWD}"
. "$IL_SRCDIR/tests/lib/postgres.sh"
pg_available || exit 77
INGESTLAYER_KEY=test-key-of-the-example
export INGESTLAYER_KEY
here=$IL_SRCDIR/plugins/entities.pg
il=$IL_BUILDDIR/ingestlayer
for plugin in sdk.event enrich.entity; do
    "$il" plugins $plugin >/dev/null 2>&1 || exit 77
done
work=$(mktemp -d) || exit 1
trap 'pg_stop; rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

fail() {
    echo "$*" >&2
    [ ! -s "$work/out" ] || cat "$work/out" >&2
    exit 1
}

grep -v '^#' "$here/entities.pg.conf" | grep . | while IFS= read -r line; do
    grep -qxF -e "$line" "$here/entities.pg.5" || fail "the manual lacks: $line"
done || exit 1
for option in $("$il" plugins --dump entities.pg |
    sed -n 's/^option\.\([a-z_.]*\)\.type=.*/\1/p'); do
    grep -q "^\.It Ic ${option##*.}\$" "$here/entities.pg.5" ||
        fail "the manual lacks the option $option"
done

pg_start "$work/pg" || exit 1
psql -q <<'SQL' || exit 1
create role reader login;
create table accounts (id int primary key, name text, plan text, owner text,
  updated_at timestamptz not null default now());
create table users (id text primary key, account_id int references accounts,
  updated_at timestamptz not null default now());
create index on users (updated_at);
create table plain (id int primary key, tags text[], n numeric, updated_at text);
insert into users (id) select g::text from generate_series(1, 20000) g;
analyze users;
grant select on accounts, users, plain to reader;
SQL
CRM_URL="host=$PGHOST port=$PGPORT user=reader dbname=$PGDATABASE"
DATABASE_URL="host=$PGHOST port=$PGPORT dbname=$PGDATABASE user=$PGUSER"
export CRM_URL DATABASE_URL
"$il" check -c "$here/entities.pg.conf" >"$work/out" 2>&1 || fail "the example"

# conf MIRROR: a config with that mirror
conf() {
    sed -n '1,/^sources/p' "$here/entities.pg.conf"
    echo '{ name = "crm"; plugin = "entities.pg"; connection = "env:CRM_URL";'
    echo "mirrors = ( { $1 } ); } );"
    echo 'pipelines = ( );'
}
refuses() { # MIRROR MESSAGE
    conf "$1" >"$work/conf"
    "$il" check -c "$work/conf" >"$work/out" 2>&1 && fail "it takes $1"
    grep -q -e "$2" "$work/out" || fail "expected \"$2\""
}
refuses 'kind = "User"; key = "id"; query = "select 1 as id";' 'lower-case'
refuses 'kind = "user"; key = "id"; query = "select 1"; full = "1h";' 'with a watermark'
refuses 'kind = "u"; key = "id"; query = "select 1"; }, { kind = "u"; key = "id"; query = "q";' \
    'another mirror'

online() { # MIRROR STATUS MESSAGE
    conf "$1" >"$work/conf"
    "$il" check -c "$work/conf" --online >"$work/out" 2>&1
    [ $? = "$2" ] || fail "expected status $2 for $1"
    grep -qF -e "$3" "$work/out" || fail "expected \"$3\""
}
users='kind = "user"; key = "id"; watermark = "updated_at"; query = "select id, account_id, updated_at from users";'
online "$users" 0 'crm: mirror user: key id (text), account_id (integer: number)'
online "$users" 0 'an index finds what is newer'
online "$users" 0 'grant pg_read_all_stats to "reader";'
psql -qc 'grant pg_read_all_stats to reader' || exit 1
online "$users" 0 'connected to'
grep -q 'grant pg_read' "$work/out" && fail "the right is there"
online 'kind = "a"; key = "id"; watermark = "updated_at"; query = "select * from accounts";' 0 \
    'no index finds what is newer'
online 'kind = "p"; key = "id"; query = "select id, tags, n from plain";' 0 \
    'tags (text[]: JSON), n (numeric: number, digit for digit)'
online 'kind = "p"; key = "id"; watermark = "updated_at"; query = "select * from plain";' 1 \
    'a timestamp is needed'
online 'kind = "p"; key = "nr"; query = "select id, n from plain";' 1 'no column "nr"'
online 'kind = "p"; key = "id"; query = "select id from plain";' 1 'says nothing'
online 'kind = "p"; key = "id"; query = "select id from missing";' 1 'does not exist'
exit 0
