#!/bin/sh
# SPDX-License-Identifier: MIT
# `make demo`: the recipe feature-usage.conf as it stands, on a private
# Postgres in a temporary directory, with events sent by the TypeScript SDK and
# one alert sent on to a small endpoint.  MIRROR=1: feature-usage-mirror.conf, with
# the users in a database rather than in a file.  Exit code 0 only if the rows and the
# alert are exactly right.  Leaves nothing behind; KEEP=1 leaves it running and
# prints how to play with it.
set -e
here=$(cd "$(dirname "$0")" && pwd)
build=${IL_BUILDDIR:?run this through make demo}
IL_SRCDIR=$here/../..
. "$here/../../tests/lib/postgres.sh"
. "$here/../../tests/lib/daemon.sh"

bold= plain=
if [ -t 1 ] && [ -z "${NO_COLOR-}" ]; then
    bold=$(printf '\033[1m') plain=$(printf '\033[0m')
fi
title() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
fail() { echo "demo: $*" >&2; exit 1; }

sdk=$build/sdk/typescript/dist/esm/index.js
for program in node openssl; do
    command -v $program >/dev/null 2>&1 || fail "$program is missing: ./autogen.sh --install-deps"
done
[ -f "$sdk" ] || fail "the TypeScript SDK is not built: ./autogen.sh --install-deps && make"

dir=$(mktemp -d "${TMPDIR:-/tmp}/ingestlayer-demo.XXXXXX")
chmod 755 "$dir"
TMPDIR=$dir
export TMPDIR
receiver=
finish() {
    status=$?
    trap - EXIT INT TERM
    if [ -n "${KEEP-}" ] && [ "$status" = 0 ]; then return; fi
    daemon_stop || true
    pg_stop || true
    if [ -n "$receiver" ]; then
        kill "$receiver" 2>/dev/null || true
        wait "$receiver" 2>/dev/null || true
    fi
    rm -rf "$dir"
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT TERM

recipe=feature-usage
[ -z "${MIRROR-}" ] || recipe=feature-usage-mirror

title "1. A private Postgres, an endpoint, and the daemon with conf/recipes/$recipe.conf"
pg_start "$dir/pg"
gate=$(free_port) admin=$(free_port) endpoint=$(free_port)
# The operator's file, with this run's folder and ports; the alert beside it.
mkdir "$dir/conf.d"
cp "$here/demo-alert.conf" "$dir/conf.d/alert.conf"
sed -e "s|^state_dir = .*|state_dir = \"$dir/state\"; include_dir = \"conf.d\";|" \
    -e "s|127.0.0.1:8080|127.0.0.1:$gate|" \
    -e "s|127.0.0.1:9600|127.0.0.1:$admin|" \
    "$here/$recipe.conf" > "$dir/ingestlayer.conf"
conf=$dir/ingestlayer.conf
ALERT_URL=http://127.0.0.1:$endpoint/alerts
ALERT_SECRET=whsec_$(openssl rand -base64 24)
export ALERT_URL ALERT_SECRET
node "$here/demo-receive.mjs" "$endpoint" "$dir/alerts" > "$dir/endpoint.log" 2>&1 &
receiver=$!
tries=0
until [ -s "$dir/endpoint.log" ]; do
    tries=$((tries + 1))
    [ $tries -lt 400 ] || fail "the endpoint does not start"
    sleep 0.05
done
[ "$(cat "$dir/endpoint.log")" = listening ] || fail "the endpoint: $(cat "$dir/endpoint.log")"
INGESTLAYER_KEY=$(od -An -tx1 -N16 /dev/urandom | tr -d ' \n')
INGESTLAYER_URL=http://127.0.0.1:$gate
DATABASE_URL="host=$PGHOST port=$PGPORT user=$PGUSER dbname=$PGDATABASE"
CRM_URL=$DATABASE_URL
export INGESTLAYER_KEY INGESTLAYER_URL DATABASE_URL CRM_URL
sql() { psql -X -q -v ON_ERROR_STOP=1 -d "$DATABASE_URL" "$@"; }
if [ -n "${MIRROR-}" ]; then
    sql <<SQL
create schema crm;
create table crm.accounts (id bigint generated always as identity primary key, name text unique,
    plan text, owner text, updated_at timestamptz not null default now());
create table crm.users (id text primary key, email text, account_id bigint references crm.accounts,
    updated_at timestamptz not null default now());
create temp table file (user_id text, email text, account text, plan text, owner text);
\\copy file from '$here/demo-users.csv' with (format csv, header)
insert into crm.accounts (name, plan, owner) select distinct account, plan, owner from file;
insert into crm.users select user_id, email, a.id from file join crm.accounts a on a.name = account;
SQL
fi
"$build/ingestlayer" check -c "$conf"
daemon_start "$conf" "http://127.0.0.1:$admin" "$dir/daemon.log"
echo "  gate $INGESTLAYER_URL, admin http://127.0.0.1:$admin"

if [ -n "${MIRROR-}" ]; then
    title "2. Users of the team's own database become entities"
    tries=0
    until "$build/ingestlayer" entity mirror status -c "$conf" 2>/dev/null | grep 'complete .* ago'; do
        tries=$((tries + 1))
        [ $tries -lt 200 ] || fail "the users do not come"
        sleep 0.05
    done
    "$build/ingestlayer" entity get -c "$conf" user u_018f
else
    title "2. Users from a CSV file become entities"
    "$build/ingestlayer" entity import -c "$conf" --kind user --id-column user_id \
        "$here/demo-users.csv"
fi

title "3. The TypeScript SDK sends events"
node "$here/demo-send.mjs" "$sdk"

title "4. What landed in events.signups"
tries=0
until [ "$(sql -At -c "select count(*) from events.signups" 2>/dev/null)" = 6 ]; do
    tries=$((tries + 1))
    [ $tries -lt 200 ] || break
    sleep 0.05
done
sql -P pager=off -c "select user_id, email, account, owner, plan, feature, count, source, payload
                       from events.signups order by event_id"

title "5. Usage by company: one GROUP BY"
sql -P pager=off -c "select coalesce(account, '(unknown)') as account, sum(count) as uses,
                            count(distinct user_id) as users
                       from events.signups group by account order by uses desc, 1"

title "6. The alert: large exports, signed, at the endpoint"
tries=0
until [ -s "$dir/alerts" ]; do
    tries=$((tries + 1))
    [ $tries -lt 200 ] || fail "no alert has come"
    sleep 0.05
done
sed 's/^/  /' "$dir/alerts"

title "7. Where every event is"
"$build/ingestlayer" status -c "$conf"
echo
"$build/ingestlayer" dead list -c "$conf"

# The rows, to the letter.
expected='u_018f|ada@acme.com|Acme|grace|pro|csv.export|1|app
u_018f|ada@acme.com|Acme|grace|pro|csv.export|2|app
u_0190|brian@acme.com|Acme|grace|pro|export|3|app
u_0191|chen@globex.com|Globex|linus|free|api.call|1|app
u_0192|dora@initech.com|Initech|linus|team|webhook.send|1|app
u_9999||||free|api.call|1|app'
actual=$(sql -At -c "select user_id, email, account, owner, plan, feature, count, source
                       from events.signups order by user_id, feature, count")
if [ "$actual" != "$expected" ]; then
    printf 'demo: the rows are wrong\nexpected:\n%s\nactual:\n%s\n' "$expected" "$actual" >&2
    exit 1
fi
[ "$(sql -At -c "select count(*) from events.signups
                  where payload->>'user_id' = user_id and payload->>'feature' = feature")" = 6 ] ||
    fail "a payload is not what was sent"

# The alert, which the endpoint takes with the right signature only: under an id that
# is made of the event's, since the SDK, and not the gate, has given it that.
expected="il_ {\"alert\":\"large export\",\"user_id\":\"u_0190\",\"email\":\"brian@acme.com\",\"account\":\"Acme\",\"count\":3}"
actual=$(sed 's/^il_[a-z2-7]\{26\} /il_ /' "$dir/alerts")
if [ "$actual" != "$expected" ]; then
    printf 'demo: the alert is wrong\nexpected:\n%s\nactual:\n%s\n' "$expected" "$actual" >&2
    exit 1
fi

title "Right: 8 events accepted = 6 rows + 2 dropped by the filter; 1 of them an alert; 1 duplicate answered, 1 refused."
if [ -n "${KEEP-}" ]; then
    cat <<MSG

It is still running.
  URL       $INGESTLAYER_URL
  key       $INGESTLAYER_KEY
  rows      $PG_BINDIR/psql "$DATABASE_URL" -c 'table events.signups'
  status    $build/ingestlayer status -c $conf
  send      curl -H "Authorization: Bearer $INGESTLAYER_KEY" -H 'Content-Type: application/json' \\
              -d '{"type":"feature.used","payload":{"user_id":"u_018f","feature":"api.call","count":1}}' \\
              $INGESTLAYER_URL/v1/ingest
  alerts    $dir/alerts, from exports with a count of 3 and more
  stop      kill $DAEMON_PID; sleep 1; kill $PG_PID $receiver; rm -rf $dir
MSG
fi
