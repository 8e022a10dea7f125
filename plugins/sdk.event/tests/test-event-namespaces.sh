#!/bin/sh
# SPDX-License-Identifier: MIT
# Publishable keys have ids and keys of their own: they neither suppress nor
# probe what servers send, also after the index is made anew from the spool.
. "$IL_SRCDIR/plugins/sdk.event/tests/setup.sh"
il=$IL_BUILDDIR/ingestlayer
event_start '' '{ name = "web"; plugin = "sdk.event";
              keys = ( { key = "pk-web"; publishable = true; types = ( "*" ); rate = "1000/s"; },
                       { key = "pk-app"; publishable = true; types = ( "*" ); rate = "1000/s"; }, "sk-web", "sk-two" ); }'
as() { # KEY BODY
    AUTH=" Bearer $1" post "$2"
}
ID='{"type":"x","id":"order-1","payload":{}}'
KEYED='{"type":"x","idempotencyKey":"k-1","payload":{}}'
LATE='{"type":"x","payload":{},"id":"order-2"}'
for body in "$ID" "$KEYED" "$LATE"; do
    as pk-web "$body"
    expect 202 '"status":"accepted"'
    as sk-web "$body"
    expect 202 '"status":"accepted"'
    as pk-app "$body"
    expect 202 '"status":"duplicate"'
    as sk-two "$body"
    expect 202 '"status":"duplicate"'
done
# the other way round: what a server has sent cannot be asked for
as sk-web '{"type":"x","id":"order-3","payload":{}}'
expect 202 '"status":"accepted"'
as pk-web '{"type":"x","id":"order-3","payload":{}}'
expect 202 '"status":"accepted"'
# all in one request
as pk-web "[$ID,{\"type\":\"x\",\"id\":\"order-4\",\"payload\":{}}]"
expect 202 '"accepted":1,"duplicates":1'

daemon_stop
"$il" spool export -c "$T/il.conf" > "$T/export"
is "$(grep -c '"id":"order-1"' "$T/export")" 2
is "$(grep '"id":"order-1"' "$T/export" | grep -c '"publishable":true')" 1
# without the index: its keys are taken from the frames
rm -r "$T/state/idem" || exit 1
daemon_start "$T/il.conf" "$ADMIN" "$T/log"
for body in "$ID" "$KEYED" "$LATE"; do
    for key in pk-app sk-two; do
        as $key "$body"
        expect 202 '"status":"duplicate"'
    done
done
daemon_stop
is "$("$il" spool export -c "$T/il.conf" | wc -l)" "$(wc -l < "$T/export")"

# two sources with one key
cd "$T"
cat > two.conf <<END
sources = ( { name = "a"; plugin = "sdk.event"; keys = ( "one", "same-key" ); },
            { name = "b"; plugin = "sdk.event"; keys = ( { key = "same-key"; id = "mine"; } ); } );
END
if "$il" check -c two.conf 2> findings; then
    echo "two sources with one key pass" >&2
    exit 1
fi
grep -q '^two.conf:2: .*keys #1.key: is the same as that of the source "a" at two.conf:1' findings || {
    cat findings >&2
    exit 1
}
if grep same-key findings; then
    echo "the key is shown" >&2
    exit 1
fi
