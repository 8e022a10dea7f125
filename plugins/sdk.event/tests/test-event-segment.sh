#!/bin/sh
# SPDX-License-Identifier: MIT
# Segment's calls: who may send them, what is refused and how, and that neither
# a retry nor a refusal changes an entity.
. "$IL_SRCDIR/plugins/sdk.event/tests/setup.sh"
event_start 'events = ( { type = "declared"; fields = (
  { name = "n"; type = "number"; required = true; },
  { name = "user_id"; type = "string"; } ); } );'
sed -e "s|second-key\" ); }|second-key\" ); undeclared = \"accept\"; },\
 { name = \"web\"; plugin = \"sdk.event\"; keys = ( \"web-key\" ); undeclared = \"accept\"; }|" \
    "$T/il.conf" >"$T/two" && mv "$T/two" "$T/il.conf"
daemon_stop && daemon_start "$T/il.conf" "$ADMIN" "$T/log" || exit 1

call() { # call PATH BODY [CURL-ARG]
    path=$1 body=$2
    shift 2
    STATUS=$(printf %s "$body" | curl -s -o "$T/answer" -D "$T/head" \
        -w '%{http_code}' --json @- "$@" "$URL$path")
}
user() {
    curl -s -H "Authorization: Bearer $KEY" "$URL/v1/entities/user/$1" |
        sed 's/.*"traits":\(.*\),"first_seen.*/\1/'
}

# the key: user name, bearer, or in the body, where it tells the sources apart
call /v1/track '{"event":"A B","userId":"u1"}' -u "$KEY:"
expect 200 '{"success":true}'
expect 200 'Content-Type: application/json'
call /v1/track '{"event":"a"}' -H "Authorization: Bearer $KEY"
expect 200 success
call /v1/batch '{"writeKey":"web-key","batch":[{"type":"track","event":"a"}]}'
expect 200 success
is "$(metric 'gate_accepted_total{source="web"}')" 1 "the second source's"
call /v1/track '{"event":"a"}' -u "$KEY-not:"
expect 401 'user name'
call /v1/track '{"event":"a"}' -H 'Authorization: Basic !!!'
expect 401 'user name'
call /v1/track '{"event":"a"}'
expect 401 'not known here'
call /v1/track '{"event":"a","writeKey":"other"}'
expect 401 'not known here'
call /v1/track '{"event":"a","writeKey":{"a":1}}'
expect 401 'not known here'
call /v1/track '{"event":'
expect 401 'writeKey'
printf '%s' '{"event":"a"}' | gzip >"$T/gz"
STATUS=$(curl -s -o "$T/answer" -D "$T/head" -w '%{http_code}' -u "$KEY:" \
    --json @"$T/gz" -H 'Content-Encoding: gzip' "$URL/v1/track")
expect 200 success

# what is wrong is said with its place
bad() { # bad PATH BODY STATUS TEXT
    call "$1" "$2" -u "$KEY:"
    expect "$3" "$4"
}
bad /v1/track '{"event":' 400 'line 1, column 10'
bad /v1/track '[]' 400 '"code":"bad_body"'
bad /v1/batch '[]' 400 '"code":"bad_body"'
bad /v1/batch '{"batch":{}}' 400 '"code":"bad_body"'
bad /v1/batch '{"batch":[]}' 400 '"code":"no_events"'
bad /v1/batch '{"batch":[],"context":1}' 400 'context: expected an object'
bad /v1/batch '{"batch":[3]}' 422 'expected an object'
bad /v1/batch '{"batch":[{"type":"foo"}]}' 422 '"path":"type"'
bad /v1/batch '{"batch":[{"type":"track"}]}' 422 '"path":"event"'
bad /v1/track '{"event":7}' 422 '"path":"event"'
bad /v1/track '{"event":" "}' 422 '"path":"type"'
bad /v1/track '{"event":"a","properties":[1]}' 422 '"path":"properties"'
bad /v1/track '{"event":"a","context":"c"}' 422 '"path":"context"'
bad /v1/track '{"event":"a","userId":{}}' 422 '"path":"userId"'
bad /v1/track '{"event":"a","timestamp":"monday"}' 422 '"path":"timestamp"'
bad /v1/track '{"event":"a","timestamp":true}' 422 '"path":"timestamp"'
bad /v1/track '{"event":"a","timestamp":1e99}' 422 '"path":"timestamp"'
bad /v1/track '{"event":"a","timestamp":"2024-02-30"}' 422 '"path":"timestamp"'
bad /v1/identify '{"traits":{}}' 422 '"path":"userId"'
bad /v1/group '{"userId":"u1"}' 422 '"path":"groupId"'
bad /v1/alias '{"userId":"u1"}' 422 '"path":"previousId"'
bad /v1/track '{"event":"declared","properties":{"n":"1"},"writeKey":"secret-in-body"}' \
    422 '"path":"payload.n"'
bad /v1/track '{"event":1,"writeKey":"secret-in-body"}' 422 '"path":"event"'
python3 -c 'print("{\"batch\":[" + ",".join(["1"] * 501) + "]}")' >"$T/many"
STATUS=$(curl -s -o "$T/answer" -D "$T/head" -w '%{http_code}' -u "$KEY:" \
    --json @"$T/many" "$URL/v1/batch")
expect 413 too_many_events

# a body that is refused whole is kept without the key in it
for body in '"batch":3' '"batch":[],"context":1' '"batch":[]' '"batch":[' \
    '"type":"track"'; do
    call /v1/batch "{\"writeKey\":\"$KEY\",\"again\":\"$KEY\",$body}" -u "$KEY:"
    expect 400 '"code":"'
done
call /v1/batch "{\"writeKey\":\"$KEY\",\"batch\":7}"
expect 400 '"code":"bad_body"'

# a declared type takes what it declares of what the client adds
call /v1/track '{"event":"declared","userId":12345678901234567890,"properties":{"n":1.10},
  "context":{"ip":"1"},"anonymousId":"a"}' -u "$KEY:"
expect 200 success

# entities: merged, and not set back by a retry or by what is refused
call /v1/identify '{"userId":"u2","messageId":"m1","traits":{"plan":"free","n":1.10}}' -u "$KEY:"
expect 200 success
call /v1/identify '{"userId":"u2","messageId":"m2","traits":{"plan":"pro"}}' -u "$KEY:"
call /v1/identify '{"userId":"u2","messageId":"m1","traits":{"plan":"free"}}' -u "$KEY:"
expect 200 success
is "$(user u2)" '{"plan":"pro","n":1.10}' "after a retry"
call /v1/batch '{"batch":[
  {"type":"identify","userId":"u2","messageId":"m3","traits":{"plan":"x"},"timestamp":"no"},
  {"type":"identify","userId":"u2","messageId":"m4","traits":{"a":1}},
  {"type":"identify","userId":"u2","messageId":"m4","traits":{"a":2}},
  {"type":"group","userId":"u2","groupId":7,"traits":{"name":"Seven"}}]}' -u "$KEY:"
expect 200 success
is "$(user u2)" '{"plan":"pro","n":1.10,"a":1,"account":"7"}' "after a mixed batch"
python3 -c 'print("{\"userId\":\"" + "u" * 257 + "\"}")' >"$T/long"
bad /v1/identify "$(cat "$T/long")" 422 'the id of the user has to be 1 to 256 bytes'
bad /v1/identify '{"userId":"a\u0000b"}' 422 'the id of the user'

# traits that would grow too large are refused with their event, nothing else is
sed -i 's/max_body = "64KiB"/max_body = "4MiB"/' "$T/il.conf"
daemon_stop && daemon_start "$T/il.conf" "$ADMIN" "$T/log" || exit 1
half() {
    python3 -c 'import sys; print("{\"batch\":[{\"type\":\"identify\",\"userId\":\"big\",\"traits\":{\"%s\":\"%s\"}},{\"type\":\"track\",\"event\":\"t\"}]}"
% (sys.argv[1], "x" * 700000))' "$1" >"$T/half"
    STATUS=$(curl -s -o "$T/answer" -D "$T/head" -w '%{http_code}' -u "$KEY:" \
        --json @"$T/half" "$URL/v1/batch")
    expect 200 success
}
half a
half b
is "$(metric 'gate_refused_total{source="app",code="event_too_large"}')" 1 "too large"
is "$(user big | wc -c)" 700008 "the entity's size"

# as in a browser: a letter for a path, plain text, the key in the body
letter() { # letter PATH BODY
    STATUS=$(printf %s "$2" | curl -s -o "$T/answer" -D "$T/head" -w '%{http_code}' \
        -H 'Content-Type: text/plain' --data-binary @- "$URL/v1/$1")
    expect 200 success
}
before=$(metric 'gate_accepted_total{source="web"}')
letter t '{"writeKey":"web-key","event":"e","userId":"l"}'
letter i '{"writeKey":"web-key","userId":"l","traits":{"by":"letter"}}'
letter p '{"writeKey":"web-key","userId":"l","name":"n"}'
letter s '{"writeKey":"web-key","userId":"l","name":"n"}'
letter g '{"writeKey":"web-key","userId":"l","groupId":"g"}'
letter a '{"writeKey":"web-key","userId":"l","previousId":"m"}'
letter b '{"writeKey":"web-key","batch":[{"type":"track","event":"e"},{"type":"page"}]}'
is "$(metric 'gate_accepted_total{source="web"}')" $((before + 8))
case $(user l) in
*'"by":"letter"'*) ;;
*) echo "identify by its letter did nothing: $(user l)" >&2 && exit 1 ;;
esac

daemon_stop || { cat "$T/log" >&2; exit 1; }
"$IL_BUILDDIR/ingestlayer" dead list --json -c "$T/il.conf" >"$T/dead"
is "$(grep -c 'would grow too large' "$T/dead")" 1 "dead letters of large traits"
[ "$(cat "$T"/state/dead/* | grep -aoF '"writeKey":"****' | wc -l)" -ge 6 ] || {
    echo "the bodies with a key are not among the dead letters" >&2
    exit 1
}
if grep -rF "$KEY" "$T/dead" "$T/state" "$T/log" >/dev/null; then
    echo "the key of a sender was kept" >&2
    exit 1
fi
if grep -rF secret-in-body "$T/dead" "$T/state" "$T/log" >/dev/null; then
    echo "a key was kept" >&2
    exit 1
fi
"$IL_BUILDDIR/ingestlayer" spool export -c "$T/il.conf" >"$T/events" || exit 1
grep -F '"type":"declared"' "$T/events" >"$T/answer"
STATUS=0 expect 0 '"payload":{"n":1.10,"user_id":"12345678901234567890"}'
grep -F '"id":"m1"' "$T/events" >"$T/answer"
STATUS=0 expect 0 '"type":"identify"'
is "$(wc -l <"$T/answer")" 1 "events of m1"
