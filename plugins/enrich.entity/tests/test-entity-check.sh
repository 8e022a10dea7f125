#!/bin/sh
# SPDX-License-Identifier: MIT
# The example is a good config, a wrong one is refused with its line, and the
# manual has every option.
set -eu
here=$IL_SRCDIR/plugins/enrich.entity
[ -f "$IL_BUILDDIR/plugins/warehouse.pg/.libs/warehouse.pg.so" ] || exit 77
[ -f "$IL_BUILDDIR/plugins/sdk.event/.libs/sdk.event.so" ] || exit 77
dir=$(mktemp -d "${TMPDIR:-/tmp}/il-enrich.XXXXXX")
trap 'rm -rf "$dir"' EXIT
fail() { echo "$*" >&2; exit 1; }
INGESTLAYER_KEY=a-key DATABASE_URL=dbname=warehouse
export INGESTLAYER_KEY DATABASE_URL
check() {
    "$IL_BUILDDIR/ingestlayer" check -c "$1" > "$dir/out" 2>&1
}

sed -e "s/8080/0/; /^http/s/\$/ admin = { listen = \"127.0.0.1:0\"; };/" -e "s|/var/lib/ingestlayer|$dir|" "$here/enrich.entity.conf" > "$dir/good.conf"
check "$dir/good.conf" || fail "the example is refused: $(cat "$dir/out")"

sed 's|kind = "user"|kind = "User"|; s|key = "$event.payload|key = "$evnt.payload|' \
    "$dir/good.conf" > "$dir/bad.conf"
check "$dir/bad.conf" && fail "a wrong kind and a wrong key pass"
grep -q "bad.conf:$(grep -n 'kind = "User"' "$dir/bad.conf" | cut -d: -f1):.*kind" "$dir/out" ||
    fail "the kind is not named with its line: $(cat "$dir/out")"
grep -q "bad.conf:$(grep -n 'evnt' "$dir/bad.conf" | cut -d: -f1):.*key" "$dir/out" ||
    fail "the key is not named with its line: $(cat "$dir/out")"

for option in kind key unknown wait_max max_age stale; do
    "$IL_BUILDDIR/ingestlayer" plugins enrich.entity | grep -q "^    $option: " ||
        fail "no option $option"
    grep -q "^\.It Ic $option\$" "$here/enrich.entity.5" || fail "$option is not in the manual"
done
