#!/bin/sh
# SPDX-License-Identifier: MIT
# The example is a good config, a wrong one is refused with its line, and the
# manual has every option.
set -eu
here=$IL_SRCDIR/plugins/redact.pii
[ -f "$IL_BUILDDIR/plugins/warehouse.pg/.libs/warehouse.pg.so" ] || exit 77
[ -f "$IL_BUILDDIR/plugins/sdk.event/.libs/sdk.event.so" ] || exit 77
dir=$(mktemp -d "${TMPDIR:-/tmp}/il-pii.XXXXXX")
trap 'rm -rf "$dir"' EXIT
fail() { echo "$*" >&2; exit 1; }
INGESTLAYER_KEY=a-key DATABASE_URL=dbname=warehouse PII_KEY=0123456789abcdef
export INGESTLAYER_KEY DATABASE_URL PII_KEY
check() {
    "$IL_BUILDDIR/ingestlayer" check -c "$1" > "$dir/out" 2>&1
}

sed -e "s/8080/0/; /^http/s/\$/ admin = { listen = \"127.0.0.1:0\"; };/" -e "s|/var/lib/ingestlayer|$dir|" "$here/redact.pii.conf" > "$dir/good.conf"
check "$dir/good.conf" || fail "the example is refused: $(cat "$dir/out")"

sed 's|"user.name"|"$entity.user.name"|' "$dir/good.conf" > "$dir/bad.conf"
check "$dir/bad.conf" && fail "a trait is redacted"
grep -q "bad.conf:$(grep -n 'entity.user' "$dir/bad.conf" | cut -d: -f1):.*fields #2" "$dir/out" ||
    fail "the path is not named with its line: $(cat "$dir/out")"

PII_KEY=secret-of-15-by check "$dir/good.conf" && fail "a short key is taken"
grep -q secret-of-15 "$dir/out" && fail "the key is shown: $(cat "$dir/out")"

for option in fields path detect how key; do
    "$IL_BUILDDIR/ingestlayer" plugins redact.pii | grep -q "^ *$option: " ||
        fail "no option $option"
    grep -q "^\.It Ic $option\$" "$here/redact.pii.5" || fail "$option is not in the manual"
done
