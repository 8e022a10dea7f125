#!/bin/sh
# SPDX-License-Identifier: MIT
# Wrong options are errors that name the key and tell nothing of the secret.
T=$(mktemp -d) || exit 99
trap 'rm -rf "$T"' EXIT
host='http = { listen = "127.0.0.1:0"; }; admin = { listen = "127.0.0.1:0"; };'
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
check 'keys = ( "hunter two" );' 'keys #1: holds a blank'
check 'keys = ( "good", "" );' 'keys #2: must not be empty'
check 'keys = ( "hunter", { key = "hunter"; } );' 'keys #2.key: is the same'
check 'keys = ( { key = "hunter"; publishable = true; } );' 'needs types'
check 'keys = ( { publishable = true; types = ("*"); } );' 'keys #1.key: is required'
check 'keys = ( { key = "hunter"; pubishable = true; } );' 'did you mean "publishable"'
check 'keys = ( { key = "a"; id = "x"; }, { key = "b"; id = "x"; } );' 'used twice'
check 'keys = ( { key = "a"; id = "a key"; } );' 'letters, digits'
check 'keys = ( { key = "a"; rate = "1000"; } );' 'keys #1.rate: expected a number of events and a time'
check 'keys = ( { key = "a"; burst = 5; } );' 'no use without rate'
check 'keys = ( { key = "a"; origins = ( "https://*.com" ); } );' 'top-level domain'
check 'keys = ( { key = "a"; origins = ( "https://a.b", "https://a.b/" ); } );' 'origins #2: .* has a path'
check 'keys = ( 17 );' 'expected a text in double quotes or a group'
check 'keys = ( "a" ); rate = "0/s";' 'rate: expected'
check 'keys = ( "hunter" ); max_events = 0;' 'max_events'
check 'keys = ( "hunter" ); max_body = "1GiB";' 'max_body'
check 'keys = ( "hunter" ); max_evens = 3;' 'max_events'
printf 'sources = ( { name = "app"; plugin = "sdk.event"; keys = ( "k" ); } );\n' \
    >"$T/il.conf"
echo "state_dir = \"$T/state\"; $host" >>"$T/il.conf"
"$IL_BUILDDIR/ingestlayer" check -c "$T/il.conf" >"$T/out" 2>&1 || {
    cat "$T/out" >&2
    exit 1
}
# the shipped example loads
sed 's/env:INGESTLAYER_KEY/k/' "$IL_SRCDIR/plugins/sdk.event/sdk.event.conf" \
    >"$T/il.conf"
echo "state_dir = \"$T/state\"; $host" >>"$T/il.conf"
"$IL_BUILDDIR/ingestlayer" check -c "$T/il.conf" >"$T/out" 2>&1 || {
    cat "$T/out" >&2
    exit 1
}
# a publishable key without a rate is a warning
publishable() { # RATE
    printf 'sources = ( { name = "app"; plugin = "sdk.event"; keys = ( { key = "hunter"; publishable = true; types = ( "x" ); %s } ); } );\n' \
        "$1" >"$T/il.conf"
    echo "state_dir = \"$T/state\"; $host" >>"$T/il.conf"
    "$IL_BUILDDIR/ingestlayer" check -c "$T/il.conf" >"$T/out" 2>&1 || {
        cat "$T/out" >&2
        exit 1
    }
}
publishable ''
grep -q 'publishable: .*without a rate' "$T/out" || {
    cat "$T/out" >&2
    exit 1
}
publishable 'rate = "1/s";'
if grep -q 'without a rate' "$T/out"; then
    echo "a key with a rate is warned of" >&2
    exit 1
fi
