# SPDX-License-Identifier: MIT
# For the tests of sdk.event: a daemon of the build tree without pipelines.
#   event_start [LINES [SOURCES]]
#                         writes a config with LINES in it and SOURCES besides
#                         the one named app, and starts; sets URL
#   post BODY [CURL-ARG]  posts to /v1/ingest; sets STATUS, answer in $T/answer;
#                         AUTH and TYPE replace two headers for one call
#   expect STATUS TEXT    compares with the last post
. "$IL_SRCDIR/tests/lib/daemon.sh"
command -v curl >/dev/null && command -v python3 >/dev/null || exit 77
T=$(mktemp -d) || exit 99
trap 'daemon_stop; rm -rf "$T"' EXIT
trap 'exit 99' INT TERM
KEY=key-of-this-test
INGESTLAYER_KEY=$KEY
export INGESTLAYER_KEY

event_start() {
    port=$(free_port) admin=$(free_port)
    cat >"$T/il.conf" <<END
state_dir = "$T/state";
entities = { map_size = "64MiB"; };
http = { listen = "127.0.0.1:$port"; };
admin = { listen = "127.0.0.1:$admin"; };
sources = ( { name = "app"; plugin = "sdk.event"; max_body = "64KiB";
              keys = ( { key = "env:INGESTLAYER_KEY"; entities = "all"; }, "second-key" ); }${2:+, $2} );
$1
END
    URL=http://127.0.0.1:$port ADMIN=http://127.0.0.1:$admin
    daemon_start "$T/il.conf" "$ADMIN" "$T/log" || exit 1
}

post() {
    body=$1
    shift
    STATUS=$(printf %s "$body" | curl -s -o "$T/answer" -D "$T/head" \
        -w '%{http_code}' -H "Authorization:${AUTH- Bearer $KEY}" \
        -H "Content-Type:${TYPE- application/json}" --data-binary @- "$@" \
        "$URL/v1/ingest")
    unset AUTH TYPE
}

expect() {
    if [ "$STATUS" != "$1" ] || ! grep -qF -- "$2" "$T/answer" "$T/head"; then
        echo "expected $1 with '$2', got $STATUS:" >&2
        cat "$T/head" "$T/answer" >&2
        exit 1
    fi
}

metric() {
    curl -s "$ADMIN/metrics" | sed -n "s/^ingestlayer_$1 //p"
}

is() {
    if [ "$1" != "$2" ]; then
        echo "expected '$2', got '$1'${3:+ ($3)}" >&2
        exit 1
    fi
}
