#!/bin/sh
# SPDX-License-Identifier: MIT
# `ingestlayer emit` passes the gate of the running daemon and tells each fate.
. "$IL_SRCDIR/plugins/sdk.event/tests/setup.sh"
emit() {
    RC=0
    "$IL_BUILDDIR/ingestlayer" emit -c "$T/il.conf" "$@" >"$T/out" 2>"$T/err" ||
        RC=$?
}
event_start 'events = ( { type = "t.x"; fields = (
  { name = "n"; type = "number"; required = true; } ); } );'

emit t.x '{"n": 1}'
is $RC 0 "$(cat "$T/err")"
grep -Eq '^accepted evt_[0-9A-Z]{26}$' "$T/out" || { cat "$T/out"; exit 1; }

emit t.x '{"n": "1"}'
is $RC 1
grep -q '^rejected schema payload.n: expected a number' "$T/err" || exit 1

emit t.x '{"n": }'
is $RC 1
grep -q 'not valid JSON' "$T/err" || exit 1

python3 - >"$T/events" <<'END'
for i in range(1200):
    print('{"id":"e%d","type":"t.x","payload":{"n":%d}}' % (i % 1199, i))
print("{bad")
END
emit --source app <"$T/events"
is $RC 1
is "$(grep -c '^accepted e' "$T/out")" 1199
is "$(grep -c '^duplicate e0$' "$T/out")" 1
grep -q '^rejected bad_json' "$T/err" || exit 1

# as strict as /v1/ingest, also with what Segment's calls may have
long=$(printf '%0129d' 0)
printf '{"id":"%s","type":"t.x","payload":{"n":1}}\n' "$long" >"$T/events"
printf '{"type":"%s","payload":{"n":1}}\n' "$long" >>"$T/events"
emit <"$T/events"
is $RC 1
is "$(grep -c 'must be 1 to 128 bytes long, not 129' "$T/err")" 2

emit --source nobody t.x '{"n":1}'
is $RC 1
grep -q 'there is no source "nobody"; known: app' "$T/err" || exit 1

emit one-argument
is $RC 2
daemon_stop || exit 1
emit t.x '{"n":1}'
is $RC 1
grep -q 'no daemon runs' "$T/err" || exit 1
