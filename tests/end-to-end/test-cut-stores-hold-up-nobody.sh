#!/bin/sh
# SPDX-License-Identifier: MIT
# The files of entities and of dead letters are cut short: commands and daemon
# name what is lost, set the files aside and go on.
. "$IL_SRCDIR/tests/config/lib.sh"
. "$IL_SRCDIR/tests/lib/daemon.sh"
needs sdk.event
command -v curl >/dev/null 2>&1 || exit 77
gate=$(free_port) admin=$(free_port) KEY=one-key-for-tests
export KEY
cat > a.conf <<END
state_dir = "$dir/state";
entities = { map_size = "64MiB"; };
http = { listen = "127.0.0.1:$gate"; };
admin = { listen = "127.0.0.1:$admin"; };
sources = ( { name = "app"; plugin = "sdk.event"; keys = ( "env:KEY" ); } );
pipelines = ();
END
fail() {
    echo "$*"
    status=1
}
# has FILE TEXT...
has() {
    file=$1
    shift
    for text in "$@"; do
        grep -qF -- "$text" "$file" || fail "no \"$text\" in: $(cat "$file")"
    done
}
# cut FILE: to half of it
cut_short() { truncate -s $(($(stat -c %s "$1") / 2)) "$1"; }
fill() {
    python3 -c '
import json
for n in range(2000):
    print(json.dumps({"external_id": "u%d" % n, "traits": {"t": "x" * 200}}))' |
        "$il" entity import -c a.conf - >out.txt 2>&1 || fail "import: $(cat out.txt)"
}

mkdir state
fill
daemon_start a.conf "http://127.0.0.1:$admin" log.txt || exit 1
python3 -c 'print("".join("%s\n" % ("x" * 3000) for n in range(60)))' |
    curl -s -o /dev/null -H "Authorization: Bearer $KEY" --data-binary @- \
        -H 'Content-Type: application/x-ndjson' "http://127.0.0.1:$gate/v1/ingest"
daemon_stop || fail "the daemon left with $?"
"$il" dead list -c a.conf > letters.txt || fail "dead list"
[ -s letters.txt ] || fail "there are no dead letters"

# commands
cut_short state/entities/data.mdb
"$il" entity list -c a.conf > out.txt 2> err.txt || fail "entity list: $?"
has err.txt 'entities/data.mdb is damaged: it ends after' 'set aside as' 'all entities are gone'
[ ! -s out.txt ] || fail "entities from nowhere: $(cat out.txt)"
ls state/entities/data.mdb.damaged-* > /dev/null || fail "nothing is set aside"
cut_short state/dead/data.mdb
"$il" dead list -c a.conf > out.txt 2> err.txt
[ $? = 1 ] || fail "dead list shows what is damaged"
has err.txt 'dead/data.mdb is damaged: it ends after' 'sets it aside when it starts'

# the daemon
fill
cut_short state/entities/data.mdb
daemon_start a.conf "http://127.0.0.1:$admin" log.txt || exit 1
has log.txt 'entities/data.mdb is damaged' 'all entities are gone' \
    'dead/data.mdb is damaged' 'its dead letters, those too'
[ "$(ls state/dead/data.mdb.damaged-* | wc -l)" = 1 ] || fail "the letters are not set aside"
[ "$(ls state/entities/data.mdb.damaged-* | wc -l)" = 2 ] || fail "the entities are not set aside"
"$il" dead list -c a.conf > out.txt || fail "dead list: $?"
code=$(curl -s -o /dev/null -w '%{http_code}' -H "Authorization: Bearer $KEY" \
    -H 'Content-Type: application/json' -d '{"type":"t","payload":{}}' "http://127.0.0.1:$gate/v1/ingest")
[ "$code" = 202 ] || fail "a new event: $code"
daemon_stop || fail "the daemon left with $?"
exit $status
