#!/bin/sh
# SPDX-License-Identifier: MIT
# `check --online` of a lane with on_conflict: the index that is missing, as the
# statement that makes it; the rights, as those that grant them; columns that an
# event has to have a value for; what is only worth knowing.
. "$(dirname "$0")/run-with-postgres.sh"
il=$IL_BUILDDIR/ingestlayer
pg_start "$work/pg" || exit 1

fail() {
    echo "$*" >&2
    exit 1
}

sql() {
    psql -XAtq -v ON_ERROR_STOP=1 -c "$1" || fail "$1"
}

# probe [OPTIONS]: its exit code; what it said is in $work/out
probe() {
    cat >"$work/conf" <<CONF
state_dir = "$work/state";
http = { listen = "127.0.0.1:0"; }; admin = { listen = "127.0.0.1:0"; };
events = ( { type = "plan"; fields = (
  { name = "user_id"; type = "string"; required = true; },
  { name = "plan"; type = "string"; required = $required; },
  { name = "note"; type = "string"; } ); } );
sources = ( { name = "app"; plugin = "sdk.event"; keys = ( "secret-key" ); } );
pipelines = ( { name = "p"; sources = ( { source = "app"; match = "plan"; } );
  destinations = ( { plugin = "warehouse.pg"; table = "e.t"; on_conflict = "update";
    conflict = ( "user_id" ); $1
    connection = "host=$PGHOST port=$PGPORT dbname=postgres user=w"; } ); } );
CONF
    "$il" check --online -c "$work/conf" >"$work/out" 2>&1
}

says() {
    grep -q -- "$1" "$work/out" || fail "no '$1' in: $(cat "$work/out")"
}

"$il" plugins sdk.event >/dev/null 2>&1 || exit 77
required=true
sql "create role w login; create schema e;
create table e.t (user_id text not null, plan text not null, note text,
received_at timestamptz, seen int);
create schema ingestlayer; create table ingestlayer.lanes (spool uuid, lane text,
position bigint not null, epoch bigint not null, primary key (spool, lane));
grant usage on schema ingestlayer, e to w;
grant select, insert, update on ingestlayer.lanes to w;
revoke temporary on database postgres from public"

probe && fail "a role without rights is fine"
for right in 'insert on e.t' 'select on e.t' 'update on e.t' temporary; do
    says "grant $right"
done
sed -n 's/.*\(grant .* to .*\)/\1/p' "$work/out" >"$work/grants"
psql -Xq -v ON_ERROR_STOP=1 -f "$work/grants" || fail "$(cat "$work/grants")"

probe && fail "a key without an index is fine"
says 'create unique index on "e"."t" ("user_id")'
sql 'create unique index on "e"."t" ("user_id")'
probe || fail "it is not fine: $(cat "$work/out")"
says "a field that is missing keeps the column's value"
grep -q note: "$work/out" && fail "a note too many: $(cat "$work/out")"
probe 'newer = "received_at";' || fail "it is not fine: $(cat "$work/out")"
says "one writer for each key"
probe 'newer = "received_at"; missing = "null";' ||
    fail "it is not fine: $(cat "$work/out")"
grep -q note: "$work/out" && fail "a note too many: $(cat "$work/out")"

sql "alter table e.t add constraint plans check (plan in ('free', 'pro'))"
probe || fail "it is not fine: $(cat "$work/out")"
says 'one after the other.*constraint "plans"'

required=false
probe && fail "a plan that may be missing is fine"
says 'no declaration says.*"plan" as required\|declare what fills "plan" as required'
sql "alter table e.t alter plan set default 'free'"
probe || fail "it is not fine: $(cat "$work/out")"

required=true
"$il" ddl -c "$work/conf" >"$work/ddl" || fail "no DDL"
grep -q 'primary key ("user_id")' "$work/ddl" || fail "$(cat "$work/ddl")"
grep -q 'insert, select, update on "e"."t"' "$work/ddl" || fail "$(cat "$work/ddl")"
sql "drop table e.t"
psql -Xq -v ON_ERROR_STOP=1 -c 'set client_min_messages = error' -f "$work/ddl" ||
    fail "the DDL does not run: $(cat "$work/ddl")"
