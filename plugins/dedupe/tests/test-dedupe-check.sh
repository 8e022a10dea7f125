#!/bin/sh
# SPDX-License-Identifier: MIT
# The example is a good config, a wrong one is refused with its line, and the
# manual has every option.
set -eu
here=$IL_SRCDIR/plugins/dedupe
[ -f "$IL_BUILDDIR/plugins/warehouse.pg/.libs/warehouse.pg.so" ] || exit 77
[ -f "$IL_BUILDDIR/plugins/sdk.event/.libs/sdk.event.so" ] || exit 77
dir=$(mktemp -d "${TMPDIR:-/tmp}/il-dedupe.XXXXXX")
trap 'rm -rf "$dir"' EXIT
fail() { echo "$*" >&2; exit 1; }
INGESTLAYER_KEY=a-key DATABASE_URL=dbname=warehouse
export INGESTLAYER_KEY DATABASE_URL
check() {
    "$IL_BUILDDIR/ingestlayer" check -c "$1" > "$dir/out" 2>&1
}

sed -e "s/8080/0/; /^http/s/\$/ admin = { listen = \"127.0.0.1:0\"; };/" -e "s|/var/lib/ingestlayer|$dir|" "$here/dedupe.conf" > "$dir/good.conf"
check "$dir/good.conf" || fail "the example is refused: $(cat "$dir/out")"

sed 's|"{{ service }}: {{ error }}"|"service"|' "$dir/good.conf" > "$dir/bad.conf"
check "$dir/bad.conf" && fail "a key that is always the same is taken"
grep -q "bad.conf:$(grep -n '"service"' "$dir/bad.conf" | cut -d: -f1):.*key: .*same text" "$dir/out" ||
    fail "the key is not named with its line: $(cat "$dir/out")"

# Without mark there is nothing to read of it.
sed 's|table = .*;|& when = "not $step.once.duplicate";|' "$dir/good.conf" > "$dir/bad.conf"
check "$dir/bad.conf" && fail "a result is read that is not there"
sed 's|window = "1h";|& mark = true;|' "$dir/bad.conf" > "$dir/marked.conf"
check "$dir/marked.conf" || fail "a result is not found: $(cat "$dir/out")"

for option in key window mark; do
    "$IL_BUILDDIR/ingestlayer" plugins dedupe | grep -q "^ *$option: " ||
        fail "no option $option"
    grep -q "^\.It Ic $option\$" "$here/dedupe.5" || fail "$option is not in the manual"
done
