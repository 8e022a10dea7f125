#!/bin/sh
# SPDX-License-Identifier: MIT
# The config that is installed loads, and so do its commented examples.
. "$IL_SRCDIR/tests/config/lib.sh"
: > want.txt
# Nobody says that its ports are free here.
free() {
    sed 's/127.0.0.1:[89][0-9]*/127.0.0.1:0/; s|/var/lib/|/tmp/|' "$1"
}
free "$IL_SRCDIR/conf/ingestlayer.conf" > d.conf
says want.txt "$il" check -c d.conf
exits 0
needs sdk.event warehouse.pg
# Comments that are settings: "# " taken away.
sed -n '/^# sources/p; /^# pipelines/,$p' "$IL_SRCDIR/conf/ingestlayer.conf" |
    sed 's/^# \{0,1\}//' > a.conf
grep -q '^pipelines' a.conf || { echo "no example found"; exit 1; }
echo secret-of-the-test > key
echo postgresql://localhost/none > database
checks want.txt a.conf
exits 0

# In the order in which the file is read: a source first, and the pipeline once
# events are there.
command -v curl >/dev/null || exit $status
. "$IL_SRCDIR/tests/lib/daemon.sh"
trap 'daemon_stop; rm -rf "$dir"' EXIT
gate=$(free_port) admin=$(free_port)
sed '/^state_dir/d; /^http/d; /^admin/d' a.conf > both.conf
cat >> both.conf <<END
state_dir = "state";
http = { listen = "127.0.0.1:$gate"; };
admin = { listen = "127.0.0.1:$admin"; };
END
sed '/^pipelines/,/^);/d' both.conf > first.conf
daemon_start first.conf "http://127.0.0.1:$admin" log || exit 1
curl -fsS -o /dev/null -H "Authorization: Bearer $(cat key)" \
    -H 'Content-Type: application/json' -d '{"type":"a","payload":{}}' \
    "http://127.0.0.1:$gate/v1/ingest" || status=1
daemon_stop || status=1
checks want.txt both.conf
exits 0
exit $status
