#!/bin/sh
# SPDX-License-Identifier: MIT
# What a key may do with entities; reads have rates, count into max_buffered, and
# are no business of the loop that takes events.
. "$IL_SRCDIR/plugins/sdk.event/tests/setup.sh"
event_start '' '{ name = "web"; plugin = "sdk.event";
              keys = ( { key = "writer"; entities = "write"; }, { key = "none"; entities = "none"; },
                       { key = "pk"; publishable = true; types = ( "*" ); rate = "1000/s"; },
                       { key = "pk-writes"; publishable = true; types = ( "*" ); rate = "1000/s"; entities = "write"; },
                       { key = "slow"; entities = "all"; rate = "4/h"; } ); }'
entity() { # KEY METHOD PATH [BODY]
    STATUS=$(curl -s -X "$2" -o "$T/answer" -D "$T/head" -w '%{http_code}' ${4:+-d "$4"} \
        -H 'Content-Type: application/json' -H "Authorization: Bearer $1" "$URL/v1/entities$3")
}
U1='{"kind":"user","external_id":"u1","traits":{"plan":"pro"}}'

# --- rights ---
entity "$KEY" POST '' "$U1"
expect 201 '"plan"'
if ls /proc/self/task >/dev/null 2>&1 && ! cat /proc/"$DAEMON_PID"/task/*/comm | grep -q http-work; then
    echo "entities are not read by a thread of their own" >&2
    exit 1
fi
# a key without a word about it writes, and hears nothing of what is stored
for key in second-key writer pk-writes; do
    entity $key POST '' '{"kind":"user","external_id":"u1","traits":{"n":1}}'
    expect 200 '{"data":{"kind":"user","external_id":"u1"}}'
    entity $key PATCH /user/u1 '{"traits":{"n":2}}'
    expect 200 '{"data":{"kind":"user","external_id":"u1"}}'
    entity $key POST '' '[{"kind":"user","external_id":"u2","traits":{}}]'
    expect 200 '"failed":0'
    entity $key DELETE /user/u2
    expect 200 '"deleted":true'
    for path in '' /user/u1 /user/none '?kind=user'; do
        entity $key GET "$path"
        expect 403 '"code":"entities_not_allowed"'
    done
done
for key in none pk; do
    for method in GET PATCH DELETE; do
        entity $key $method /user/u1 "$U1"
        expect 403 '"code":"entities_not_allowed"'
    done
    entity $key POST '' "$U1"
    expect 403 '"code":"entities_not_allowed"'
done
entity "$KEY" GET /user/u1
expect 200 '"plan":"pro"'
identify() { # KEY
    curl -s -o "$T/answer" -w '%{http_code}' -u "$1:" -H 'Content-Type: application/json' \
        -d "{\"userId\":\"by-$1\",\"traits\":{\"a\":1}}" "$URL/v1/identify"
}
for key in none pk pk-writes writer; do
    is "$(identify $key)" 200
done
for key in none pk; do
    entity "$KEY" GET /user/by-$key
    expect 404 not_found
done
for key in pk-writes writer; do
    entity "$KEY" GET /user/by-$key
    expect 200 '"a":1'
done

# --- rates: one for each read and for each entity that is written ---
entity slow GET /user/u1
expect 200 '"plan"'
entity slow POST '' "[$U1,$U1,$U1]"
expect 200 '"failed":0'
entity slow GET ''
expect 429 '"code":"rate_limited"'
expect 429 'Retry-After:'
entity slow POST '' "$U1"
expect 429 '"code":"rate_limited"'
is "$(metric 'gate_key_events_total{source="web",key="key-5",result="limited"}')" 2
daemon_stop

# --- memory ---
sed 's/^http = { /&max_buffered = "1MiB"; max_body = "1MiB"; /; s/"64KiB"/"600KiB"/' "$T/il.conf" >"$T/small.conf"
daemon_start "$T/small.conf" "$ADMIN" "$T/log" || exit 1
head -c 400000 /dev/zero | tr '\0' x >"$T/x"
for i in 1 2 3; do
    printf '{"kind":"big","external_id":"%s","traits":{"x":"%s"}}' $i "$(cat "$T/x")" >"$T/big"
    STATUS=$(curl -s -o "$T/answer" -D "$T/head" -w '%{http_code}' --data-binary "@$T/big" \
        -H 'Content-Type: application/json' -H "Authorization: Bearer second-key" "$URL/v1/entities")
    expect 201 big
done
entity "$KEY" GET '?kind=big&limit=2'
expect 200 '"next":"2"'
entity "$KEY" GET '?kind=big'
expect 503 '"code":"busy"'
# and it is given back
for i in 1 2 3 4 5 6; do
    entity "$KEY" GET '?kind=big&limit=2'
    expect 200 '"next":"2"'
done
daemon_stop
