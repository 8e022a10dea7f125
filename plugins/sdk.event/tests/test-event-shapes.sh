#!/bin/sh
# SPDX-License-Identifier: MIT
# What Segment's and RudderStack's libraries write beside the documents is taken
# on their paths, and nothing of it on /v1/ingest.
. "$IL_SRCDIR/plugins/sdk.event/tests/setup.sh"
event_start 'events = ( { type = "declared"; fields = (
  { name = "address"; type = "object"; }, { name = "tags"; type = "array"; } ); } );'
sed -i 's|"second-key" ); }|"second-key" ); undeclared = "accept"; }|' "$T/il.conf"
daemon_stop && daemon_start "$T/il.conf" "$ADMIN" "$T/log" || exit 1

call() { # call STATUS PATH BODY [CURL-ARG]
    want=$1 path=$2 body=$3
    shift 3
    STATUS=$(printf %s "$body" | curl -s -o "$T/answer" -D "$T/head" --path-as-is \
        -w '%{http_code}' -u "$KEY:" --json @- "$@" "$URL$path")
    expect "$want" ''
}
repeat() { python3 -c 'import sys; print(sys.argv[1] * int(sys.argv[2]), end="")' "$1" "$2"; }

# a slash too many, as of a host that was written with one
n=0
for path in /v1/track //v1/track /v1/track/ //v1/track/ //v1/t; do
    n=$((n + 1))
    call 200 "$path" "{\"event\":\"e\",\"messageId\":\"path-$n\"}"
done
call 200 //v1/batch/ '{"batch":[{"type":"track","event":"e","messageId":"path-b"}],"sentAt":"?"}'
call 404 //v1/ingest '{"type":"a","payload":{}}'
call 404 /v1/ingest/ '{"type":"a","payload":{}}'

# times: what is sent, what is kept
number=0
while IFS='|' read -r sent kept; do
    number=$((number + 1))
    call 200 /v1/track "{\"event\":\"e\",\"messageId\":\"t$number\",\"timestamp\":$sent}"
    echo "t$number $kept" >>"$T/want"
done <<'END'
"2024-05-01T10:00:00.123456"|2024-05-01T10:00:00.123456Z
"2024-05-01T10:00:00+0000"|2024-05-01T10:00:00Z
"2024-05-01 10:00:00.000 +0200"|2024-05-01T08:00:00Z
"2024-05-01"|2024-05-01T00:00:00Z
1714557600|2024-05-01T10:00:00Z
1714557600250|2024-05-01T10:00:00.250Z
"1714557600.25"|2024-05-01T10:00:00.250Z
1.7145576E9|2024-05-01T10:00:00Z
""|
null|
END
# the second place counts where the first is empty
call 200 /v1/track '{"event":"e","messageId":"o1","timestamp":"","originalTimestamp":1714557600}'
echo "o1 2024-05-01T10:00:00Z" >>"$T/want"

# PHP's empty maps
call 200 /v1/batch '{"batch":[{"type":"track","messageId":"p1","event":"e","properties":[]},
  {"type":"identify","messageId":"p2","userId":"php","traits":{"address":[],"tags":[]},"context":{"device":[]}},
  {"type":"track","messageId":"p3","event":"declared","properties":{"address":[],"tags":[]}},
  {"type":"group","messageId":"p4","groupId":"g","traits":[],"context":""}],"context":[]}'

# sizes: as large as stated, and no more
call 200 /v1/track "{\"event\":\"e\",\"messageId\":\"$(repeat m 255)\"}"
call 422 /v1/track "{\"event\":\"e\",\"messageId\":\"$(repeat m 256)\"}"
call 200 /v1/track "{\"event\":\"e\",\"messageId\":\"$(repeat m 255)\"}"
is "$(metric 'gate_duplicates_total{source="app"}')" 1 "a long id sent twice"
call 200 /v1/track "{\"event\":\"$(repeat 語 200)\",\"messageId\":\"long\"}"
call 422 /v1/track "{\"event\":\"$(repeat n 801)\"}"
call 200 /v1/track '{"event":" Signed Up ","messageId":"trimmed","anonymousId":null,"integrations":[]}'

# none of it on /v1/ingest
for body in '"timestamp":"2024-05-01T10:00:00","payload":{}' '"timestamp":1714557600,"payload":{}' \
    '"payload":[]' "\"id\":\"$(repeat m 129)\",\"payload\":{}"; do
    post "{\"type\":\"a\",$body}"
    expect 422 invalid_event
done
post "{\"type\":\"$(repeat n 129)\",\"payload\":{}}"
expect 422 '1 to 128 bytes'

TYPE=' application/cloudevents+json'
post "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"s\",\"type\":\"$(repeat n 129)\"}"
expect 422 '1 to 128 bytes'

daemon_stop || { cat "$T/log" >&2; exit 1; }
"$IL_BUILDDIR/ingestlayer" spool export -c "$T/il.conf" >"$T/events" || exit 1
python3 - "$T/events" "$T/want" <<'END'
import json, sys
rows = {e["id"]: e for e in map(json.loads, open(sys.argv[1]))}
for line in open(sys.argv[2]):
    id, _, kept = line.rstrip("\n").partition(" ")
    if (rows[id].get("timestamp") or "") != kept:
        sys.exit("%s: expected %r, got %r" % (id, kept, rows[id].get("timestamp")))
for id, path, wanted in (("p1", [], {}), ("p2", ["traits", "address"], {}), ("p2", ["traits", "tags"], []),
                         ("p2", ["context", "device"], {}), ("p3", ["address"], {}), ("p3", ["tags"], [])):
    value = rows[id]["payload"]
    for part in path:
        value = value[part]
    if id == "p1":
        value.pop("context", None)
    if value != wanted:
        sys.exit("%s %s: expected %r, got %r" % (id, path, wanted, value))
assert rows["trimmed"]["type"] == "Signed Up", rows["trimmed"]
assert rows["long"]["type"] == "語" * 200
assert "m" * 255 in rows
END
