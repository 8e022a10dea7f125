#!/bin/sh
# SPDX-License-Identifier: MIT
# The example is a good config, a wrong one is refused with its line, and the
# manual has every option.
. "$IL_SRCDIR/tests/lib/plugin-check.sh"
begin count warehouse.pg sdk.event

sed 's|name = "exports"|name = "export"|' "$dir/good.conf" > "$dir/bad.conf"
check "$dir/bad.conf" && fail "results of no step are read"
grep -q "bad.conf:$(grep -n 'exports.nth' "$dir/bad.conf" | cut -d: -f1):.*did you mean \"export\"" "$dir/out" ||
    fail "the step is not named with its line: $(cat "$dir/out")"

sed 's|name = "exports";|& buckets = 25; value = "$event.payload.n";|' "$dir/good.conf" > "$dir/bad.conf"
check "$dir/bad.conf" && fail "more buckets than there is room for are taken"
grep -q "buckets: .*24" "$dir/out" || fail "the limit is not named: $(cat "$dir/out")"

sed 's|name = "exports";|& forget = "23h";|' "$dir/good.conf" > "$dir/bad.conf"
check "$dir/bad.conf" && fail "a key is forgotten within its window"
grep -q "forget: .*window" "$dir/out" || fail "why is not said: $(cat "$dir/out")"

documents key window buckets forget value distinct
