#!/bin/sh
# SPDX-License-Identifier: MIT
# Every status that POST /v1/ingest and the server around it can answer.
. "$IL_SRCDIR/plugins/sdk.event/tests/setup.sh"
event_start 'events = ( { type = "t.x"; fields = (
  { name = "n"; type = "number"; required = true; } ); } );'
GOOD='{"type":"t.x","payload":{"n":1}}'

post "$GOOD"
expect 202 '{"data":{"accepted":1,"duplicates":0,"events":[{"index":0,"id":"evt_'
expect 202 'Content-Type: application/json'
post "[$GOOD,{\"type\":\"t.x\",\"payload\":{\"n\":\"1\"}}]"
expect 202 '"rejected":1'
expect 202 '"path":"payload.n","rule":"type"'
post '{"id":"same","type":"t.x","payload":{"n":1}}'
expect 202 '"status":"accepted"'
post '{"id":"same","type":"t.x","payload":{"n":1}}'
expect 202 '{"index":0,"id":"same","status":"duplicate"}'
TYPE=' application/x-ndjson' post "$GOOD
$GOOD"
expect 202 '"accepted":2'
AUTH=' bearer  second-key' post "$GOOD"
expect 202 '"accepted":1'
post "$GOOD" -H 'Transfer-Encoding: chunked'
expect 202 '"accepted":1'
TYPE=' application/json; charset="UTF-8"' post "$GOOD"
expect 202 '"accepted":1'
TYPE='' post "$GOOD"
expect 202 '"accepted":1'

post '{"type":'
expect 400 '"code":"bad_json"'
post '[]'
expect 400 '"code":"no_events"'
post '{"events":3}'
expect 400 '"code":"bad_body"'
post "$GOOD" -H 'Content-Encoding: gzip'
expect 400 '"code":"bad_gzip"'

AUTH='' post "$GOOD"
expect 401 'no Authorization header'
expect 401 'WWW-Authenticate: Bearer'
AUTH=' Basic a2V5Og==' post "$GOOD"
expect 401 'is the user name of the'
AUTH=' Token a2V5Og==' post "$GOOD"
expect 401 'not of the form'
AUTH=' Bearer second-ke' post "$GOOD"
expect 401 'this key is not known'
AUTH=' Bearer second-keyy' post "$GOOD"
expect 401 'this key is not known'

post "$GOOD" -H 'Authorization: Bearer other'
expect 400 '"code":"bad_framing"'

STATUS=$(curl -s -o "$T/answer" -D "$T/head" -w '%{http_code}' "$URL/v1/nothing")
expect 404 '"code":"not_found"'
STATUS=$(curl -s -o "$T/answer" -D "$T/head" -w '%{http_code}' "$URL/v1/ingest")
expect 405 'Allow: OPTIONS, POST'
STATUS=$(curl -s -X OPTIONS -o "$T/answer" -D "$T/head" -w '%{http_code}' "$URL/v1/ingest")
expect 204 'Allow: OPTIONS, POST'
STATUS=$(curl -s -X POST -o "$T/answer" -D "$T/head" -w '%{http_code}' \
    -H "Authorization: Bearer $KEY" -H 'Content-Length:' "$URL/v1/ingest")
expect 411 '"code":"length_required"'

post "$(python3 -c 'print("{\"type\":\"t.x\",\"payload\":{\"n\":" + "1" * 70000 + "}}")')"
expect 413 '"code":"body_too_large"'
post "$(python3 -c 'print("[" + ",".join(["0"] * 501) + "]")')"
expect 413 '"code":"too_many_events"'
python3 -c 'import gzip,sys; sys.stdout.buffer.write(gzip.compress(b" " * 70000))' >"$T/bomb"
STATUS=$(curl -s -o "$T/answer" -D "$T/head" -w '%{http_code}' --json @"$T/bomb" \
    -H "Authorization: Bearer $KEY" -H 'Content-Encoding: gzip' "$URL/v1/ingest")
expect 413 'the unpacked body is larger'

TYPE=' text/csv' post "$GOOD"
expect 415 '"code":"unsupported_media_type"'
TYPE=' application/json; charset=latin1' post "$GOOD"
expect 415 '"code":"unsupported_media_type"'
post "$GOOD" -H 'Content-Encoding: br'
expect 415 '"code":"unsupported_encoding"'

post '{"type":"t.y","payload":{}}'
expect 422 '"code":"undeclared_type"'
post '{"type":"t.x","payload":{}}'
expect 422 '"code":"schema"'
post '{"type":"t.x","payload":{"n":1},"user":"u"}'
expect 422 '"code":"invalid_event"'

# a gzip body as a sender would make it
printf %s "$GOOD" | gzip >"$T/body.gz"
STATUS=$(curl -s -o "$T/answer" -D "$T/head" -w '%{http_code}' --json @"$T/body.gz" \
    -H "Authorization: Bearer $KEY" -H 'Content-Encoding: gzip' "$URL/v1/ingest")
expect 202 '"accepted":1'

# a byte order mark is no part of the text
BOM=$(printf '\357\273\277')
post "$BOM$GOOD"
expect 202 '"accepted":1'
TYPE=' application/x-ndjson' post "$BOM$GOOD"
expect 202 '"accepted":1'
# as proxies ask (RFC 9112, 3.2.2), and with white space around values (RFC 9110, 5.5)
raw() { # HEAD, with %d for a length
    printf "$1\r\nHost: x\r\nAuthorization: \t Bearer $KEY \t\r\nContent-Type: application/json \r\nContent-Length: \t%d \t\r\nConnection: close\r\n\r\n%s" \
        ${#GOOD} "$GOOD" >"$T/raw"
    STATUS=$(python3 -c 'import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=20)
s.sendall(open(sys.argv[2], "rb").read())
a = b""
while (b := s.recv(65536)):
    a += b
open(sys.argv[3], "wb").write(a)
print(a.split()[1].decode())' "$port" "$T/raw" "$T/answer")
}
raw 'POST http://events.example.com/v1/ingest HTTP/1.1'
expect 202 '"accepted":1'
raw 'POST HTTPS://events.example.com:8443/v1/ingest?x=y HTTP/1.1'
expect 202 '"accepted":1'
raw 'POST http://events.example.com HTTP/1.1'
expect 404 '"code":"not_found"'
raw 'POST ftp://events.example.com/v1/ingest HTTP/1.1'
expect 400 '"code":"bad_path"'

# what was accepted and refused has been counted, and the latter kept
is "$(metric 'gate_accepted_total{source="app"}')" 14 accepted
is "$(metric 'gate_duplicates_total{source="app"}')" 1 duplicates
is "$(metric 'gate_refused_total{source="app",code="schema"}')" 2 schema
is "$(metric 'gate_refused_total{source="app",code="body_too_large"}')" 2 large
is "$(metric 'gate_refused_total{source="app",code="unsupported_media_type"}')" 2 type
is "$(metric 'http_requests_total{server="gate",code="401"}')" 5 401
daemon_stop || { cat "$T/log" >&2; exit 1; }
if grep -F "$KEY" "$T/log" || grep second-key "$T/log"; then
    echo "a key is in the log" >&2
    exit 1
fi
