#!/bin/sh
# SPDX-License-Identifier: MIT
# A plugin that was built with another version of the header is refused before
# it is called, or runs as far as both know.  The headers are made here.
set -u
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
il=$IL_BUILDDIR/core/ingestlayer
header=$IL_SRCDIR/sdk/plugin/ingestlayer/plugin.h
status=0

fail() {
    printf '%s\n' "$@"
    status=1
}

# header NAME SED-SCRIPT: a header made of ours
header() {
    mkdir -p "$dir/$1/ingestlayer"
    sed "$2" "$header" > "$dir/$1/ingestlayer/plugin.h"
    cmp -s "$header" "$dir/$1/ingestlayer/plugin.h" && fail "$1: nothing changed"
}

# build NAME FLAGS...: skew.step with that header
build() {
    name=$1
    shift
    ${CC:-cc} -std=c11 -Wall -Werror -fPIC -shared -I"$dir/$name" "$@" \
        -o "$dir/skew.step.so" "$IL_SRCDIR/tests/abi/skew.c" 2> "$dir/errors"
}

cat > "$dir/c.conf" <<END
state_dir = "$dir/state";
plugin_dir = [ "$dir", "$IL_BUILDDIR/plugins/sdk.event/.libs",
               "$IL_BUILDDIR/tests/plugins/.libs" ];
sources = ( { name = "app"; plugin = "sdk.event"; keys = ( "k" ); } );
pipelines = ( { name = "p"; sources = ( { source = "app"; } );
    steps = ( { plugin = "skew.step"; } );
    destinations = ( { plugin = "destination.null"; } ); } );
END

# shows WHAT COMMAND...: its output has WHAT, and it fails
shows() {
    want=$1
    shift
    out=$("$@" 2>&1) && fail "$name: was not refused"
    case $out in
    *$want*) ;;
    *) fail "$name: expected: $want" "$name:   actual: $out" ;;
    esac
}
plugins() {
    INGESTLAYER_PLUGIN_PATH=$dir "$il" plugins skew.step
}
check() {
    "$il" check -c "$dir/c.conf"
}
runs='found log_text 1, one 2'

header same 's/^#define IL_TEXT_MAX 1024/#define IL_TEXT_MAX 1000/'
build same || fail "$(cat "$dir/errors")"
shows "$runs" check

# One entry more, in the next version.
header more '
    s/^#define IL_ABI_MINOR 0/#define IL_ABI_MINOR 1/
    /^struct il_api {/,/^};/ s/^};/    int (*brand_new)(const struct il_host *);\
};/
    s/^\/\* === entities =.*/#if IL_WANT_MINOR >= 1\
static inline int il_brand_new(const struct il_host *h)\
{ return IL_API(h)->brand_new(h); }\
#endif/'
build more -DSKEW_CALL || fail "$(cat "$dir/errors")"
shows 'needs plugin ABI 1.1 or later, this host has 1.0; upgrade' plugins
shows 'needs plugin ABI 1.1 or later' check
build more -DIL_NEEDS_MINOR=0 -DSKEW_HAS || fail "$(cat "$dir/errors")"
shows "$runs" check
build more -DIL_WANT_MINOR=0 -DSKEW_CALL && fail "a newer call compiles"
build more -DIL_WANT_MINOR=0 || fail "$(cat "$dir/errors")"
shows "$runs" check
build more -DIL_WANT_MINOR=2 && fail "more than the header has compiles"
build more -DIL_NEEDS_MINOR=1 -DIL_WANT_MINOR=0 && fail "needs more than wants"

# One entry fewer, in the same version: a header that was never released.
header fewer '
    /^struct il_api {/,/^};/ {
        /int (\*mark_each)/,/void \*arg);$/ d
    }
    s/IL_API(host)->mark_each(host, fn, arg)/-1/'
build fewer || fail "$(cat "$dir/errors")"
shows 'its function table has ' plugins
shows 'rebuild it' check

# A longer option.
header longer '
    s/^#define IL_ABI_MINOR 0/#define IL_ABI_MINOR 1/
    /^struct il_option {/,/^};/ s/^};/    const char *more[3];\
};/'
build longer || fail "$(cat "$dir/errors")"
shows 'needs plugin ABI 1.1' check
build longer -DIL_NEEDS_MINOR=0 '-DSKEW_MORE=, .more = { "x", "y", "z" }' ||
    fail "$(cat "$dir/errors")"
shows "$runs" check
# ... which says that it is of our version
sed -i 's/^#define IL_ABI_MINOR 1/#define IL_ABI_MINOR 0/' \
    "$dir/longer/ingestlayer/plugin.h"
build longer || fail "$(cat "$dir/errors")"
shows 'its options have ' plugins
exit $status
