#!/bin/sh
# SPDX-License-Identifier: MIT
# The example is a good config, a wrong one is refused with its line, and the
# manual has every option.
set -eu
here=$IL_SRCDIR/plugins/upsert.entity
[ -f "$IL_BUILDDIR/plugins/warehouse.pg/.libs/warehouse.pg.so" ] || exit 77
[ -f "$IL_BUILDDIR/plugins/sdk.event/.libs/sdk.event.so" ] || exit 77
dir=$(mktemp -d "${TMPDIR:-/tmp}/il-upsert.XXXXXX")
trap 'rm -rf "$dir"' EXIT
fail() { echo "$*" >&2; exit 1; }
INGESTLAYER_KEY=a-key DATABASE_URL=dbname=warehouse
export INGESTLAYER_KEY DATABASE_URL
check() {
    "$IL_BUILDDIR/ingestlayer" check -c "$1" > "$dir/out" 2>&1
}

sed -e "s/8080/0/; /^http/s/\$/ admin = { listen = \"127.0.0.1:0\"; };/" -e "s|/var/lib/ingestlayer|$dir|" "$here/upsert.entity.conf" > "$dir/good.conf"
check "$dir/good.conf" || fail "the example is refused: $(cat "$dir/out")"

sed 's|kind = "user"|kind = "User"|; s|id = "$event.payload|id = "$evnt.payload|
s|traits = ( \(.*\) );|traits = ( \1, \1 );|' "$dir/good.conf" > "$dir/bad.conf"
check "$dir/bad.conf" && fail "a wrong kind, a wrong id and a trait that is there twice pass"
for what in 'User:kind' 'evnt:id' 'traits:there twice'; do
    grep -q "bad.conf:$(grep -n "${what%%:*}" "$dir/bad.conf" | cut -d: -f1):.*${what#*:}" "$dir/out" ||
        fail "${what%%:*} is not named with its line: $(cat "$dir/out")"
done

for option in kind id traits; do
    "$IL_BUILDDIR/ingestlayer" plugins upsert.entity | grep -q "^    $option: " ||
        fail "no option $option"
    grep -q "^\.It Ic $option\$" "$here/upsert.entity.5" || fail "$option is not in the manual"
done
