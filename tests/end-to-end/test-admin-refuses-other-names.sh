#!/bin/sh
# SPDX-License-Identifier: MIT
# The admin server answers no page whose own name leads to its port.
. "$IL_SRCDIR/tests/lib/daemon.sh"
command -v curl >/dev/null || exit 77
T=$(mktemp -d) || exit 99
trap 'daemon_stop; rm -rf "$T"' EXIT
port=$(free_port) admin=$(free_port)
cat >"$T/conf" <<END
state_dir = "$T/state"; entities = { map_size = "64MiB"; };
http = { listen = "127.0.0.1:$port"; };
admin = { listen = "127.0.0.1:$admin"; hosts = ( "ingest.example.com" ); };
END
daemon_start "$T/conf" "http://127.0.0.1:$admin" "$T/log" || exit 1
ask() { # STATUS HOST
    for path in metrics healthz readyz; do
        got=$(curl -s -o "$T/answer" -w '%{http_code}' -H "Host: $2" "http://127.0.0.1:$admin/$path")
        [ "$got" = "$1" ] || { echo "Host: $2: $got, not $1"; cat "$T/answer"; exit 1; } >&2
    done
}
for host in "127.0.0.1:$admin" 127.0.0.1 10.1.2.3 '[::1]:9600' localhost "localhost:$admin" db.localhost ingestlayer:9600 \
    ingest.example.com Ingest.Example.Com:9600 ingest.example.com.; do
    ask 200 "$host"
done
for host in evil.example.com evil.com:9600 xlocalhost.evil.com ingest.example.com.evil.com 1.2.3.4.nip.io example.com; do
    ask 403 "$host"
done
grep -q host_not_allowed "$T/answer" || exit 1
