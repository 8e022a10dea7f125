#!/bin/sh
# SPDX-License-Identifier: MIT
# The example is a good config, a wrong one is refused with its line, and the
# manual has every option.
set -eu
here=$IL_SRCDIR/plugins/clock
for plugin in warehouse.pg sdk.event throttle; do
    [ -f "$IL_BUILDDIR/plugins/$plugin/.libs/$plugin.so" ] || exit 77
done
dir=$(mktemp -d "${TMPDIR:-/tmp}/il-clock.XXXXXX")
trap 'rm -rf "$dir"' EXIT
fail() { echo "$*" >&2; exit 1; }
INGESTLAYER_KEY=a-key DATABASE_URL=dbname=warehouse
export INGESTLAYER_KEY DATABASE_URL
check() {
    "$IL_BUILDDIR/ingestlayer" check -c "$1" > "$dir/out" 2>&1
}

sed -e "s/8080/0/; /^http/s/\$/ admin = { listen = \"127.0.0.1:0\"; };/" -e "s|/var/lib/ingestlayer|$dir|" "$here/clock.conf" > "$dir/good.conf"
check "$dir/good.conf" || fail "the example is refused: $(cat "$dir/out")"

for bad in 's|every = "1m"|every = "10ms"|' 's|every = "1m"|& ; offset = "2m"|' 's|every = "1m"; ||'; do
    sed "$bad" "$dir/good.conf" > "$dir/bad.conf"
    check "$dir/bad.conf" && fail "$bad: is taken"
    grep -q 'bad.conf:7: .*source "minutes" (clock)' "$dir/out" ||
        fail "$bad: the source is not named with its line: $(cat "$dir/out")"
done

# Ticks need no declaration, and the pipeline stays closed beside them.
{ cat "$dir/good.conf"; cat << END
events = ( { type = "error.raised"; fields = ( { name = "service"; type = "string"; } ); } );
END
} > "$dir/declared.conf"
check "$dir/declared.conf" || fail "with declarations it is refused: $(cat "$dir/out")"
sed 's|payload.service|payload.servce|' "$dir/declared.conf" > "$dir/bad.conf"
check "$dir/bad.conf" && fail "a field that is not declared passes beside a clock"

for option in every offset missed; do
    "$IL_BUILDDIR/ingestlayer" plugins clock | grep -q "^ *$option: " ||
        fail "no option $option"
    grep -q "^\.It Ic $option\$" "$here/clock.5" || fail "$option is not in the manual"
done
