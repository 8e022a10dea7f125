#!/bin/sh
# SPDX-License-Identifier: MIT
# Web pages as senders: preflights, who may read answers, beacons, and what a
# publishable key may not do.
. "$IL_SRCDIR/plugins/sdk.event/tests/setup.sh"
event_start '' '{ name = "web"; plugin = "sdk.event";
              keys = ( { key = "pk-web"; id = "web"; publishable = true; types = ( "page.*", "identify" );
                         origins = ( "https://app.example.com", "https://*.example.org", "http://localhost:*" ); },
                       { key = "sk-tool"; id = "tool"; origins = ( "https://tool.example.com" ); } ); },
            { name = "open"; plugin = "sdk.event";
              keys = ( { key = "pk-open"; publishable = true; types = ( "*" ); } ); }'
PAGE='{"type":"page.view","payload":{}}'
APP='Origin: https://app.example.com'
preflight() { # ORIGIN [PATH]
    STATUS=$(curl -s -X OPTIONS -o "$T/answer" -D "$T/head" -w '%{http_code}' -H "Origin: $1" \
        -H 'Access-Control-Request-Method: POST' \
        -H 'Access-Control-Request-Headers: authorization,content-encoding,content-type,traceparent' \
        "$URL${2-/v1/ingest}")
}
absent() {
    if grep -i "$1" "$T/head"; then
        echo "there should be no such header" >&2
        exit 1
    fi
}
web() { # BODY [CURL-ARG]
    AUTH=" Bearer pk-web" post "$@"
}
beacon() { # KEY BODY [CURL-ARG]
    STATUS=$(k=$1 b=$2; shift 2; curl -s -o "$T/answer" -D "$T/head" -w '%{http_code}' \
        -H 'Content-Type: text/plain;charset=UTF-8' --data-binary "$b" "$@" "$URL/v1/ingest?key=$k")
}

# --- preflights ---
for origin in https://app.example.com https://a.b.example.org http://localhost:3000 https://tool.example.com; do
    preflight $origin
    expect 204 "Access-Control-Allow-Origin: $origin"
    expect 204 'Access-Control-Allow-Methods: OPTIONS, POST'
    expect 204 'Access-Control-Allow-Headers: Authorization, Content-Type, Content-Encoding, traceparent'
    expect 204 'Access-Control-Max-Age: 7200'
    expect 204 'Vary: Origin'
    absent Allow-Credentials
done
for origin in https://evil.com https://example.org https://app.example.com.evil.com null \
    http://app.example.com 'https://evil.com/.example.org'; do
    preflight "$origin"
    expect 403 '"code":"origin_not_allowed"'
    expect 403 'Vary: Origin'
    absent Access-Control
done
preflight https://app.example.com /whk/x
absent Access-Control
# no preflight: what the path takes
STATUS=$(curl -s -X OPTIONS -o "$T/answer" -D "$T/head" -w '%{http_code}' "$URL/v1/ingest")
expect 204 'Allow: OPTIONS, POST'

# --- answers, good and bad, can be read ---
web "$PAGE" -H "$APP"
expect 202 'Access-Control-Allow-Origin: https://app.example.com'
expect 202 'Access-Control-Expose-Headers: Retry-After'
expect 202 'Vary: Origin'
absent Allow-Credentials
web '{"type":"page.view"}' -H "$APP"
expect 422 'Access-Control-Allow-Origin: https://app.example.com'
web '{' -H "$APP"
expect 400 'Access-Control-Allow-Origin: https://app.example.com'
web "$(head -c 70000 /dev/zero | tr '\0' ' ')" -H "$APP"
web "$PAGE" -H "$APP" -H 'Content-Encoding: br'
expect 415 'Access-Control-Allow-Origin: https://app.example.com'
AUTH=" Bearer wrong" post "$PAGE" -H "$APP"
expect 401 'Access-Control-Allow-Origin: https://app.example.com'
# another's page: no header, and the key is of no use there
web "$PAGE" -H 'Origin: https://evil.com'
expect 403 '"code":"origin_not_allowed"'
absent Access-Control
# a page of the other key
web "$PAGE" -H 'Origin: https://tool.example.com'
expect 403 '"code":"origin_not_allowed"'
# no page at all
web "$PAGE"
expect 202 accepted
absent Access-Control

# --- beacons ---
beacon pk-web "$PAGE" -H "$APP"
expect 202 '"accepted":1'
expect 202 'Access-Control-Allow-Origin: https://app.example.com'
beacon pk-web "{\"events\":[$PAGE,$PAGE]}" -H "$APP"
expect 202 '"accepted":2'
beacon pk-web "$PAGE" -H 'Origin: https://evil.com'
expect 403 origin_not_allowed
beacon sk-tool "$PAGE"
expect 403 '"code":"key_in_url"'
beacon unknown "$PAGE"
expect 401 unauthorized
# the header counts where there is one
beacon pk-web "$PAGE" -H 'Authorization: Bearer wrong'
expect 401 unauthorized

# --- what a publishable key may not ---
web '{"type":"order","payload":{}}' -H "$APP"
expect 403 '"code":"type_not_allowed"'
for method in GET POST; do
    STATUS=$(curl -s -X $method -o "$T/answer" -D "$T/head" -w '%{http_code}' -d '{"kind":"user","id":"u","traits":{}}' \
        -H 'Content-Type: application/json' -H 'Authorization: Bearer pk-web' "$URL/v1/entities")
    expect 403 '"code":"entities_not_allowed"'
done
identify() { # KEY
    STATUS=$(curl -s -o "$T/answer" -D "$T/head" -w '%{http_code}' -u "$1:" -H 'Content-Type: text/plain' \
        -d "{\"userId\":\"$1\",\"traits\":{\"plan\":\"enterprise\"}}" "$URL/v1/identify")
}
identify pk-web
expect 200 success
identify second-key
expect 200 success
user() {
    curl -s -o /dev/null -w '%{http_code}' -H "Authorization: Bearer $KEY" "$URL/v1/entities/user/$1"
}
is "$(user second-key)" 200
is "$(user pk-web)" 404 "a publishable key has changed an entity"
# with its key in the body alone
STATUS=$(curl -s -o "$T/answer" -D "$T/head" -w '%{http_code}' -H 'Content-Type: text/plain' -H "$APP" \
    -d '{"writeKey":"pk-web","userId":"body","event":"page.tracked"}' "$URL/v1/track")
expect 200 success
expect 200 'Access-Control-Allow-Origin: https://app.example.com'
STATUS=$(curl -s -o "$T/answer" -D "$T/head" -w '%{http_code}' -H 'Content-Type: text/plain' \
    -H 'Origin: https://evil.com' \
    -d '{"writeKey":"pk-web","userId":"body","event":"page.tracked"}' "$URL/v1/track")
expect 403 origin_not_allowed

is "$(metric 'gate_refused_total{source="web",code="origin_not_allowed"}')" 4
is "$(metric 'gate_refused_total{source="web",code="key_in_url"}')" 1
is "$(metric 'gate_refused_total{source="web",code="entities_not_allowed"}')" 2
daemon_stop
if grep -nE 'pk-web|sk-tool|pk-open' "$T/log"; then
    echo "a key is in the log" >&2
    exit 1
fi
