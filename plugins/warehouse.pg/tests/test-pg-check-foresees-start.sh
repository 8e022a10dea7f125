#!/bin/sh
# SPDX-License-Identifier: MIT
# `check --online` says what the start would meet: rights that are missing, as
# the statements that grant them, which are all that it takes; views, row level
# security, and columns that nothing fills.
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

# probe TABLE [OPTIONS]: its exit code; what it said is in $work/out
probe() {
    cat >"$work/conf" <<CONF
state_dir = "$work/state";
http = { listen = "127.0.0.1:0"; }; admin = { listen = "127.0.0.1:0"; };
sources = ( { name = "app"; plugin = "sdk.event"; keys = ( "secret-key" ); } );
pipelines = ( { name = "p"; sources = ( { source = "app"; } );
  destinations = ( { plugin = "warehouse.pg"; table = "$1"; $2
    connection = "host=$PGHOST port=$PGPORT dbname=postgres user=w"; } ); } );
CONF
    "$il" check --online -c "$work/conf" >"$work/out" 2>&1
}

says() {
    grep -q -- "$1" "$work/out" || fail "no '$1' in: $(cat "$work/out")"
}

"$il" plugins sdk.event >/dev/null 2>&1 || exit 77
sql "create role w login; create schema e;
create table e.t (n bigserial, event_id text primary key, k text);
alter table e.t enable row level security;
create policy p on e.t to w using (true) with check (k is null);
create view e.v as select event_id, k from e.t;
create view e.distinct as select distinct k from e.t;
create materialized view e.m as select 1 as k;
create table e.o (event_id text, k text not null);
create table e.g (event_id uuid, id uuid primary key);
create table e.part (event_id text, k text) partition by list (k);
revoke temporary on database postgres from public;
revoke connect on database postgres from public"

# Run what it prints until it has nothing more to say.
for table in e.t e.v; do
    rounds=0
    until probe "$table"; do
        rounds=$((rounds + 1))
        [ "$rounds" -lt 9 ] || fail "never fine: $(cat "$work/out")"
        sed -n 's/.*\(grant .* to .*\)/\1/p' "$work/out" >"$work/grants"
        [ -s "$work/grants" ] || fail "no grant in: $(cat "$work/out")"
        psql -Xq -v ON_ERROR_STOP=1 -f "$work/grants" ||
            fail "what it prints does not run: $(cat "$work/grants")"
        sql "create schema if not exists ingestlayer;
            create table if not exists ingestlayer.lanes (spool uuid, lane text,
            position bigint not null, epoch bigint not null,
            primary key (spool, lane));
            grant usage on schema ingestlayer to w;
            grant select, insert, update on ingestlayer.lanes to w"
    done
    [ "$rounds" -gt 0 ] || fail "nothing was missing"
    says "by INSERT from a temporary table"
done
probe e.t && says "row level security is on"
[ "$(sql "select has_sequence_privilege('w', 'e.t_n_seq', 'usage')")" = t ] ||
    fail "the sequence was forgotten"

sql "grant all on all tables in schema e to w"
probe e.distinct && fail "a view that takes no rows is fine"
says "is not updatable"
probe e.m && fail "a materialized view is fine"
says "materialized view"
columns='columns = ( { name = "event_id"; value = "$event.id"; } );'
probe e.o "$columns" && fail "a column that nothing fills is fine"
says 'no row can go in without a value for column "k"'
sql "create function e.f() returns trigger language plpgsql as
    'begin new.k := 1; return new; end'; create trigger x before insert on e.o
    for each row execute function e.f()"
probe e.o "$columns" || fail "a trigger may fill it: $(cat "$work/out")"
says "a trigger may fill it"
probe e.g || fail "$(cat "$work/out")"
says 'warning: column "id" is of type uuid'
probe e.part || fail "$(cat "$work/out")"
says "no partition yet"

# A table that is missing, and may not be made.
probe e.none "create = true;" && fail "it cannot be made"
says 'grant create, usage on schema e to "w"'
probe none.none "create = true;" && fail "its schema cannot be made"
says 'grant create on database postgres to "w"'
exit 0
