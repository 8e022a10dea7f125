#!/bin/sh
# SPDX-License-Identifier: MIT
# The example is a good config, a wrong one is refused with its line, and the
# manual has every option.
. "$IL_SRCDIR/tests/lib/plugin-check.sh"
PII_KEY=0123456789abcdef
export PII_KEY
begin redact.pii warehouse.pg sdk.event

sed 's|"user.name"|"$entity.user.name"|' "$dir/good.conf" > "$dir/bad.conf"
check "$dir/bad.conf" && fail "a trait is redacted"
grep -q "bad.conf:$(grep -n 'entity.user' "$dir/bad.conf" | cut -d: -f1):.*fields #2" "$dir/out" ||
    fail "the path is not named with its line: $(cat "$dir/out")"

PII_KEY=secret-of-15-by check "$dir/good.conf" && fail "a short key is taken"
grep -q secret-of-15 "$dir/out" && fail "the key is shown: $(cat "$dir/out")"

documents fields path detect how key
