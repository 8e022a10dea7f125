#!/bin/sh
# SPDX-License-Identifier: MIT
# The example is a good config, a wrong one is refused with its line, and the
# manual has every option.
. "$IL_SRCDIR/tests/lib/plugin-check.sh"
begin dedupe warehouse.pg sdk.event

sed 's|"{{ service }}: {{ error }}"|"service"|' "$dir/good.conf" > "$dir/bad.conf"
check "$dir/bad.conf" && fail "a key that is always the same is taken"
grep -q "bad.conf:$(grep -n '"service"' "$dir/bad.conf" | cut -d: -f1):.*key: .*same text" "$dir/out" ||
    fail "the key is not named with its line: $(cat "$dir/out")"

# Without mark there is nothing to read of it.
sed 's|table = .*;|& when = "not $step.once.duplicate";|' "$dir/good.conf" > "$dir/bad.conf"
check "$dir/bad.conf" && fail "a result is read that is not there"
sed 's|window = "1h";|& mark = true;|' "$dir/bad.conf" > "$dir/marked.conf"
check "$dir/marked.conf" || fail "a result is not found: $(cat "$dir/out")"

documents key window mark
