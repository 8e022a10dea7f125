#!/bin/sh
# SPDX-License-Identifier: MIT
# Entities over HTTP and from the shell, beside a running daemon: each sees at
# once what the other wrote, and bulk imports do not disturb the API.
set -eu
command -v curl >/dev/null 2>&1 || exit 77
[ -f "$IL_BUILDDIR/plugins/sdk.event/.libs/sdk.event.so" ] || exit 77
. "$IL_SRCDIR/tests/lib/daemon.sh"
DAEMON_PID=
dir=$(mktemp -d "${TMPDIR:-/tmp}/il-entity.XXXXXX")
finish() {
    status=$?
    trap - EXIT INT TERM
    daemon_stop || true
    [ "$status" = 0 ] || cat "$dir/log" >&2 || true
    rm -rf "$dir"
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT TERM
fail() { echo "$*" >&2; exit 1; }

gate=$(free_port) admin=$(free_port)
mkdir "$dir/state"
cat > "$dir/conf" <<CONF
state_dir = "$dir/state";
entities = { map_size = "64MiB"; };
http = { listen = "127.0.0.1:$gate"; };
admin = { listen = "127.0.0.1:$admin"; };
sources = ( { name = "app"; plugin = "sdk.event"; keys = ( { key = "env:KEY"; entities = "all"; } ); } );
pipelines = ();
CONF
KEY=one-key-for-tests
export KEY
entity() { "$IL_BUILDDIR/ingestlayer" entity "$@" -c "$dir/conf"; }
# api METHOD PATH [curl arguments]: status, then the body
api() {
    method=$1 path=$2
    shift 2
    curl -s -X "$method" -H "Authorization: Bearer $KEY" -w '\n%{http_code}' "$@" \
        "http://127.0.0.1:$gate$path" > "$dir/answer"
    status=$(tail -n 1 "$dir/answer")
}
expect() {
    [ "$status" = "$1" ] || fail "status $status, not $1: $(cat "$dir/answer")"
    grep -qF -- "$2" "$dir/answer" || fail "no $2 in $(cat "$dir/answer")"
}

# Before the first start there is nothing to read, but there can be an import.
entity get user u1 2>/dev/null && fail "found in no store"
printf 'user_id,plan\nu1,free\nu2\nu3,pro\n' > "$dir/users.csv"
if entity import "$dir/users.csv" > "$dir/out" 2> "$dir/err"; then
    fail "a bad line did not fail the import"
fi
grep -q '^imported 2 (2 new, 0 merged), refused 1$' "$dir/out" || fail "$(cat "$dir/out")"
grep -q 'users.csv:3: 1 field where the header has 2' "$dir/err" || fail "$(cat "$dir/err")"
[ "$(stat -c %a "$dir/state/entities/data.mdb")" = 600 ] || fail "others may read the store"

daemon_start "$dir/conf" "http://127.0.0.1:$admin" "$dir/log"
api GET /v1/entities/user/u1
expect 200 '"traits":{"plan":"free"}'
api POST /v1/entities -H 'Content-Type: application/json' \
    -d '{"kind":"user","external_id":"a/b c+%\u00e4","traits":{"n":1.10}}'
expect 201 '"traits":{"n":1.10}'
entity get user 'a/b c+%ä' | grep -qF '"traits":{"n":1.10}' || fail "the shell does not see it"
for path in 'a/b%20c+%25%C3%A4' 'a%2Fb%20c%2B%25%c3%a4'; do
    api GET "/v1/entities/user/$path"
    expect 200 '"n":1.10'
done
api PATCH '/v1/entities/user/a%2Fb%20c+%25%C3%A4' -H 'Content-Type: application/json' \
    -d '{"traits":{"m":[null]}}'
expect 200 '"traits":{"n":1.10,"m":[null]}'
api GET '/v1/entities?kind=user&limit=1&after=a%2Fb%20c%2B%25%C3%A4'
expect 200 '"external_id":"u1"'
expect 200 '"next":"u1"'
api POST /v1/entities -H 'Content-Type: application/x-ndjson' --data-binary '{"kind":"user","external_id":1}
{"kind":"user"}
{"kind":"account","external_id":"x"}'
expect 200 '"created":2,"merged":0,"failed":1'
api POST /v1/entities -H 'Content-Type: application/json' -d '[{]'
expect 400 '"code":"'
api PUT /v1/entities
expect 405 '"code":"'
api GET /v1/entities/user/%00
expect 400 '"code":"'
right=$KEY KEY=wrong
api GET /v1/entities/user/u1
expect 401 '"code":"'
KEY=$right

# A large import beside the API.
awk 'BEGIN { print "user_id,n"; for (i = 0; i < 60000; i++) print "i" i "," i }' > "$dir/many.csv"
entity import --typed "$dir/many.csv" > "$dir/out" &
import=$!
n=0
while kill -0 "$import" 2>/dev/null && [ $n -lt 50 ]; do
    n=$((n + 1))
    api POST /v1/entities -H 'Content-Type: application/json' \
        -d "{\"kind\":\"user\",\"external_id\":\"beside\",\"traits\":{\"n$n\":$n}}"
    case $status in 200|201) ;; *) fail "beside an import: $(cat "$dir/answer")" ;; esac
done
wait "$import" || fail "the import failed"
grep -q '^imported 60000 (60000 new, 0 merged), refused 0$' "$dir/out" || fail "$(cat "$dir/out")"
api GET /v1/entities/user/i59999
expect 200 '"traits":{"n":59999}'
api GET /v1/entities/user/beside
expect 200 "\"n$n\":$n"
[ "$(entity list --kind user | wc -l)" = 60005 ] || fail "not all are listed"

api DELETE /v1/entities/user/u1
expect 200 '"deleted":true'
entity get user u1 2>/dev/null && fail "still there"
entity delete user u3
api GET /v1/entities/user/u3
expect 404 not_found
daemon_stop || fail "the daemon did not stop well"
entity get account x >/dev/null

# The command keeps to the config's map_size.
sed "s|\"$dir/state\"|\"$dir/small\"|; s|64MiB|1MiB|" "$dir/conf" > "$dir/small.conf"
if "$IL_BUILDDIR/ingestlayer" entity import --typed -c "$dir/small.conf" "$dir/many.csv" \
    > "$dir/out" 2> "$dir/err"; then
    fail "60000 entities in a map of 1 MiB"
fi
grep -q "the entity store is full" "$dir/err" || fail "$(cat "$dir/err")"
