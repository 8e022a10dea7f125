#!/bin/sh
# SPDX-License-Identifier: MIT
# The example is a good config, a wrong one is refused with its line, and the
# manual has every option.
set -eu
here=$IL_SRCDIR/plugins/count
[ -f "$IL_BUILDDIR/plugins/warehouse.pg/.libs/warehouse.pg.so" ] || exit 77
[ -f "$IL_BUILDDIR/plugins/sdk.event/.libs/sdk.event.so" ] || exit 77
dir=$(mktemp -d "${TMPDIR:-/tmp}/il-count.XXXXXX")
trap 'rm -rf "$dir"' EXIT
fail() { echo "$*" >&2; exit 1; }
INGESTLAYER_KEY=a-key DATABASE_URL=dbname=warehouse
export INGESTLAYER_KEY DATABASE_URL
check() {
    "$IL_BUILDDIR/ingestlayer" check -c "$1" > "$dir/out" 2>&1
}

sed -e "s/8080/0/; /^http/s/\$/ admin = { listen = \"127.0.0.1:0\"; };/" -e "s|/var/lib/ingestlayer|$dir|" "$here/count.conf" > "$dir/good.conf"
check "$dir/good.conf" || fail "the example is refused: $(cat "$dir/out")"

sed 's|name = "exports"|name = "export"|' "$dir/good.conf" > "$dir/bad.conf"
check "$dir/bad.conf" && fail "results of no step are read"
grep -q "bad.conf:$(grep -n 'exports.nth' "$dir/bad.conf" | cut -d: -f1):.*did you mean \"export\"" "$dir/out" ||
    fail "the step is not named with its line: $(cat "$dir/out")"

sed 's|name = "exports";|& buckets = 25; value = "$event.payload.n";|' "$dir/good.conf" > "$dir/bad.conf"
check "$dir/bad.conf" && fail "more buckets than there is room for are taken"
grep -q "buckets: .*24" "$dir/out" || fail "the limit is not named: $(cat "$dir/out")"

for option in key window buckets value distinct; do
    "$IL_BUILDDIR/ingestlayer" plugins count | grep -q "^ *$option: " ||
        fail "no option $option"
    grep -q "^\.It Ic $option\$" "$here/count.5" || fail "$option is not in the manual"
done
