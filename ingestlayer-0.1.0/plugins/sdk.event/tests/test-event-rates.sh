#!/bin/sh
# SPDX-License-Identifier: MIT
# Rates of a key and of a source: 429 with the time that it takes; duplicates
# and refused events cost nothing; ids of keys are told, keys never.
. "$IL_SRCDIR/plugins/sdk.event/tests/setup.sh"
event_start '' '{ name = "slow"; plugin = "sdk.event"; rate = "6/h";
              keys = ( { key = "slow-key-1"; id = "one"; },
                       { key = "slow-key-2"; rate = "2/h"; } ); },
            { name = "kinds"; plugin = "sdk.event";
              keys = ( { key = "kinds-key"; id = "kinds"; types = ( "page.*", "ping" ); } ); },
            { name = "crowd"; plugin = "sdk.event";
              keys = ( { key = "crowd-key"; rate = "60/m"; burst = 10; } ); }'
event() { printf '{"type":"t","id":"%s","payload":{}}' "$1"; }
batch() { # FROM TO
    printf '['
    for i in $(seq "$1" "$2"); do
        [ "$i" = "$1" ] || printf ,
        event "n$i"
    done
    printf ']'
}
retry_after() { sed -n 's/^Retry-After: \([0-9]*\).*/\1/p' "$T/head"; }
about() { # LOW HIGH: Retry-After of the last answer
    after=$(retry_after)
    [ "${after:-0}" -ge "$1" ] && [ "$after" -le "$2" ] || {
        echo "Retry-After: '$after', expected $1 to $2" >&2
        exit 1
    }
}

# of a key: two, and the next in half an hour
for id in a b; do
    AUTH=" Bearer slow-key-2" post "$(event $id)"
    expect 202 accepted
done
AUTH=" Bearer slow-key-2" post "$(event c)"
expect 429 '"code":"rate_limited"'
expect 429 'the rate of this key'
about 1750 1800
# a duplicate is known before the rate is asked, also one of two
AUTH=" Bearer slow-key-2" post "$(event a)"
expect 202 duplicate
AUTH=" Bearer slow-key-2" post "[$(event a),$(event c)]"
expect 429 rate_limited
# what is refused takes nothing, and is told why
AUTH=" Bearer slow-key-2" post '{"type":"t"}'
expect 422 invalid_event

# of the source: four are left to the other key
AUTH=" Bearer slow-key-1" post "$(batch 1 4)"
expect 202 '"accepted":4'
AUTH=" Bearer slow-key-1" post "$(event d)"
expect 429 'the rate of this source'
about 540 600
# others do not feel it
AUTH=" Bearer second-key" post "$(event d)"
expect 202 accepted

# a batch above the burst passes a full bucket, and the rest is owed
AUTH=" Bearer crowd-key" post "$(batch 1 50)"
expect 202 '"accepted":50'
AUTH=" Bearer crowd-key" post "$(event after)"
expect 429 rate_limited
about 38 41

# what an event tells of entities comes after the rate
identify() { # KEY WHO
    curl -s -o "$T/answer" -D "$T/head" -w '%{http_code}' -u "$1:" -H 'Content-Type: application/json' \
        -d "{\"userId\":\"u1\",\"traits\":{\"by\":\"$2\"}}" "$URL/v1/identify"
}
is "$(identify second-key first)" 200
is "$(identify slow-key-2 second)" 429
curl -s -H "Authorization: Bearer $KEY" "$URL/v1/entities/user/u1" >"$T/user"
grep -q '"by":"first"' "$T/user" || { cat "$T/user" >&2; exit 1; }

# types
AUTH=" Bearer kinds-key" post '[{"type":"page.view","payload":{}},{"type":"order","payload":{}},{"type":"ping","payload":{}}]'
expect 202 '"accepted":2,"duplicates":0,"rejected":1'
expect 202 '"code":"type_not_allowed"'
AUTH=" Bearer kinds-key" post '{"type":"page","payload":{}}'
expect 403 '"code":"type_not_allowed"'

# what is counted, kept and told
is "$(metric 'gate_refused_total{source="slow",code="rate_limited"}')" 4
is "$(metric 'gate_refused_total{source="slow",code="invalid_event"}')" 1
is "$(metric 'gate_refused_total{source="kinds",code="type_not_allowed"}')" 2
is "$(metric 'gate_accepted_total{source="slow"}')" 6
is "$(metric 'gate_duplicates_total{source="slow"}')" 1
is "$(metric 'gate_key_events_total{source="slow",key="key-1",result="limited"}')" 3
is "$(metric 'gate_key_events_total{source="slow",key="key-1",result="accepted"}')" 2
is "$(metric 'gate_key_events_total{source="slow",key="key-1",result="refused"}')" 1
is "$(metric 'gate_key_events_total{source="slow",key="one",result="accepted"}')" 4
is "$(metric 'gate_key_events_total{source="app",key="key-1",result="accepted"}')" 2
is "$(metric 'gate_key_events_total{source="app",key="INGESTLAYER_KEY",result="accepted"}')" 0
"$IL_BUILDDIR/ingestlayer" status -c "$T/il.conf" --json >"$T/status"
grep -qF '{"source":"slow","key":"key-1","accepted":2,"duplicates":1,"refused":1,"limited":3}' "$T/status" || {
    echo "the status does not tell of keys:" >&2
    cat "$T/status" >&2
    exit 1
}
for _ in 1 2 3 4 5 6 7 8 9 10; do
    "$IL_BUILDDIR/ingestlayer" dead list -c "$T/il.conf" --json >"$T/dead"
    [ "$(wc -l <"$T/dead")" = 3 ] && break
    sleep 0.3
done
is "$(wc -l <"$T/dead")" 3 "dead letters: a 429 is none"
is "$(grep -c '"code":"type_not_allowed".*"key":"kinds"' "$T/dead")" 2
is "$(grep -c '"code":"invalid_event".*"key":"key-1"' "$T/dead")" 1
daemon_stop
grep -q 'source "slow", key key-1: refused 1: rate_limited' "$T/log" || {
    echo "the log does not tell who was refused:" >&2
    cat "$T/log" >&2
    exit 1
}
if grep -rnE 'slow-key|kinds-key|crowd-key|second-key' "$T/log" "$T/dead" "$T/status" "$T/state"; then
    echo "a key is told" >&2
    exit 1
fi
