#!/bin/sh
# SPDX-License-Identifier: MIT
# CloudEvents in their three modes: what becomes of them, and what is refused.
. "$IL_SRCDIR/plugins/sdk.event/tests/setup.sh"
event_start 'events = ( { type = "declared"; fields = (
  { name = "n"; type = "number"; required = true; } ); } );'
sed -i 's/"second-key" ); /&undeclared = "accept"; handshake = { origins = "eventgrid.azure.net"; }; /' "$T/il.conf"
daemon_stop && daemon_start "$T/il.conf" "$ADMIN" "$T/log" || exit 1

one() { # one STATUS TEXT BODY
    TYPE=' application/cloudevents+json; charset=utf-8' post "$3"
    expect "$1" "$2"
}
batch() {
    TYPE=' Application/CloudEvents-Batch+JSON' post "$3"
    expect "$1" "$2"
}
binary() { # binary STATUS TEXT BODY [CURL-ARG]
    status=$1 text=$2 body=$3
    shift 3
    post "$body" -H 'ce-specversion: 1.0' -H 'ce-source: /s' -H 'ce-type: t.b' "$@"
    expect "$status" "$text"
}
E='"specversion":"1.0","type":"t.a"'

one 202 '"accepted":1' "{$E,\"id\":\"1\",\"source\":\"/s\",\"data\":{\"n\":1.10,\"cloudevent\":0}}"
one 202 '"duplicates":1' "{$E,\"id\":\"1\",\"source\":\"/s\",\"data\":{}}"
one 202 '"accepted":1' "{$E,\"id\":\"1\",\"source\":\"/t\"}"
one 202 '"accepted":1' "{$E,\"id\":\"2\",\"source\":\"/s\",\"data\":\"text\",\"subject\":null}"
one 202 '"accepted":1' "{$E,\"id\":\"3\",\"source\":\"/s\",\"data_base64\":\"aGk=\",\"x1\":true,\"x2\":7}"
one 202 '"accepted":1' "{$E,\"id\":\"4\",\"source\":\"/s\",\"time\":\"2026-01-31T12:00:00.5+01:00\"}"
# long ones, and a blank in the source, are told apart all the same
long=$(python3 -c 'print("l" * 200)')
one 202 '"accepted":1' "{$E,\"id\":\"1\",\"source\":\"$long\"}"
one 202 '"duplicates":1' "{$E,\"id\":\"1\",\"source\":\"$long\"}"
one 202 '"accepted":1' "{$E,\"id\":\"2\",\"source\":\"$long\"}"
one 202 '"accepted":1' "{$E,\"id\":\"c\",\"source\":\"a b\"}"
one 202 '"accepted":1' "{$E,\"id\":\"b c\",\"source\":\"a\"}"
one 202 '"accepted":1' '{"specversion":"1.0","type":"declared","id":"1","source":"/d","data":{"n":1}}'

one 400 'line 1, column' "{$E"
one 400 bad_body '[]'
one 422 '"path":"id","rule":"required"' "{$E,\"source\":\"/s\"}"
one 422 '"path":"id","rule":"length"' "{$E,\"source\":\"/s\",\"id\":\"\"}"
one 422 '"path":"id","rule":"type"' "{$E,\"source\":\"/s\",\"id\":1}"
one 422 '"path":"source","rule":"required"' "{$E,\"id\":\"1\"}"
one 422 '"path":"type","rule":"required"' '{"specversion":"1.0","id":"1","source":"/s"}'
one 422 '"path":"specversion","rule":"required"' '{"id":"1","source":"/s","type":"t"}'
one 422 '"path":"specversion","rule":"enum"' '{"specversion":"0.3","id":"1","source":"/s","type":"t"}'
one 422 '"path":"timestamp"' "{$E,\"id\":\"9\",\"source\":\"/s\",\"time\":\"now\"}"
one 422 '"path":"ext","rule":"type"' "{$E,\"id\":\"9\",\"source\":\"/s\",\"ext\":{}}"
one 422 '"path":"Ext","rule":"name"' "{$E,\"id\":\"9\",\"source\":\"/s\",\"Ext\":1}"
one 422 '"path":"data_base64","rule":"exclusive"' "{$E,\"id\":\"9\",\"source\":\"/s\",\"data\":1,\"data_base64\":\"\"}"
one 422 '"path":"payload.n"' '{"specversion":"1.0","type":"declared","id":"9","source":"/d","data":{"n":"1"}}'
one 422 '"rule":"count"' "$(python3 -c 'import json; print(json.dumps({"x%d" % i: "v" for i in range(70)}))')"
TYPE=' application/cloudevents+xml' post '<a/>'
expect 415 unsupported_media_type

batch 202 '{"data":{"accepted":0,"duplicates":0,"events":[]}}' '[]'
batch 202 '"accepted":1,"duplicates":1,"rejected":2' "[
  {$E,\"id\":\"b1\",\"source\":\"/s\"}, {$E,\"id\":\"b1\",\"source\":\"/s\"}, {$E}, 5]"
batch 400 bad_body '{}'
batch 413 too_many_events "$(python3 -c 'print("[" + ",".join(["0"] * 501) + "]")')"

binary 202 '"accepted":1' '{"n":2}' -H 'ce-id: h1' -H 'CE-Subject: Euro%20%e2%82%ac %zz'
binary 202 '"duplicates":1' '{"n":2}' -H 'ce-id: h1'
binary 202 '"duplicates":1' '{"n":2}' -H 'ce-id: "h1"'
binary 202 '"accepted":1' '[1]' -H 'ce-id: h2' -H 'ce-tenant: "a\"b"'
TYPE='' binary 202 '"accepted":1' '' -H 'ce-id: h3'
binary 422 '"path":"id","rule":"required"' '{}'
binary 422 '"path":"id","rule":"duplicate"' '{}' -H 'ce-id: 1' -H 'Ce-Id: 2'
binary 422 '"path":"subject","rule":"characters"' '{}' -H 'ce-id: 1' -H 'ce-subject: %ff'
binary 422 '"path":"a_b","rule":"name"' '{}' -H 'ce-id: 1' -H 'ce-a_b: 1'
binary 400 bad_json '{' -H 'ce-id: 1'
TYPE=' text/plain; charset=utf-8' binary 202 '"accepted":1' 'Grüße "x"' -H 'ce-id: t1'
TYPE=' image/gif' binary 202 '"accepted":1' "$(printf 'GIF\377')" -H 'ce-id: t2'

asks() { # asks ORIGIN STATUS TEXT
    STATUS=$(curl -s -o "$T/answer" -D "$T/head" -w '%{http_code}' -X OPTIONS \
        -H "WebHook-Request-Origin: $1" "$URL/v1/ingest")
    expect "$2" "$3"
}
asks eventgrid.azure.net 200 'WebHook-Allowed-Origin: eventgrid.azure.net'
asks eventgrid.azure.net 200 'WebHook-Allowed-Rate: *'
asks eventgrid.azure.org 204 'Allow: OPTIONS, POST'
! grep -qi webhook-allowed "$T/head" || { echo 'a stranger may deliver' >&2; exit 1; }

daemon_stop || { cat "$T/log" >&2; exit 1; }
"$IL_BUILDDIR/ingestlayer" spool export -c "$T/il.conf" >"$T/answer" || exit 1
STATUS=0
expect 0 '"payload":{"n":1.10,"cloudevent":{"specversion":"1.0","type":"t.a","id":"1","source":"/s"}}'
expect 0 '"payload":{"data":"text","cloudevent":'
expect 0 '"payload":{"data_base64":"aGk=","cloudevent":{"specversion":"1.0","type":"t.a","id":"3","source":"/s","x1":true,"x2":7}}'
expect 0 '"timestamp":"2026-01-31T11:00:00.5'
expect 0 '"type":"declared"'
expect 0 '"payload":{"n":1}'
expect 0 '"subject":"Euro € %zz"'
expect 0 '"payload":{"data":[1],"cloudevent":'
expect 0 '"tenant":"a\"b"'
expect 0 '"payload":{"data":"Grüße \"x\"","cloudevent":'
expect 0 '"payload":{"data_base64":"R0lG/w==","cloudevent":'
expect 0 '"datacontenttype":"image/gif"'

for as in base64 refuse; do
    sed "s/\"second-key\" ); /&cloudevent_data = \"$as\"; /" "$T/il.conf" >"$T/as.conf"
    daemon_start "$T/as.conf" "$ADMIN" "$T/log" || exit 1
    case $as in
    base64) TYPE=' text/plain' binary 202 '"accepted":1' 'hello' -H 'ce-id: t3' ;;
    refuse) TYPE=' text/plain' binary 415 unsupported_media_type 'hello' -H 'ce-id: t4' ;;
    esac
    daemon_stop || { cat "$T/log" >&2; exit 1; }
done
"$IL_BUILDDIR/ingestlayer" spool export -c "$T/il.conf" >"$T/answer" || exit 1
STATUS=0
expect 0 '"payload":{"data_base64":"aGVsbG8=","cloudevent":'
