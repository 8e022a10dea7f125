#!/bin/sh
# SPDX-License-Identifier: MIT
# Wrong options are errors that name the key and tell nothing of the secret.
T=$(mktemp -d) || exit 99
trap 'rm -rf "$T"' EXIT
check() {
    printf 'sources = ( { name = "app"; plugin = "sdk.event"; %s } );\n' "$1" \
        >"$T/il.conf"
    if "$IL_BUILDDIR/ingestlayer" check -c "$T/il.conf" >"$T/out" 2>&1; then
        echo "accepted: $1" >&2
        exit 1
    fi
    grep -q -- "$2" "$T/out" || { echo "no '$2' in:"; cat "$T/out"; exit 1; } >&2
    if grep -q hunter "$T/out"; then
        echo "the secret is told" >&2
        exit 1
    fi
}
check '' 'keys'
check 'keys = ( );' 'keys'
check 'keys = ( "hunter two" );' 'key 1 holds a blank'
check 'keys = ( "good", "" );' 'keys: must not be empty'
check 'keys = ( "hunter" ); max_events = 0;' 'max_events'
check 'keys = ( "hunter" ); max_body = "1GiB";' 'max_body'
check 'keys = ( "hunter" ); max_evens = 3;' 'max_events'
printf 'sources = ( { name = "app"; plugin = "sdk.event"; keys = ( "k" ); } );\n' \
    >"$T/il.conf"
"$IL_BUILDDIR/ingestlayer" check -c "$T/il.conf" >"$T/out" 2>&1 || {
    cat "$T/out" >&2
    exit 1
}
# the shipped example loads
sed 's/env:INGESTLAYER_KEY/k/' "$IL_SRCDIR/plugins/sdk.event/sdk.event.conf" \
    >"$T/il.conf"
"$IL_BUILDDIR/ingestlayer" check -c "$T/il.conf" >"$T/out" 2>&1 || {
    cat "$T/out" >&2
    exit 1
}
