#!/bin/sh
# SPDX-License-Identifier: MIT
# The example is a good config, a wrong one is refused with its line, and the
# manual has every option.
. "$IL_SRCDIR/tests/lib/plugin-check.sh"
begin enrich.entity warehouse.pg sdk.event

sed 's|kind = "user"|kind = "User"|; s|key = "$event.payload|key = "$evnt.payload|' \
    "$dir/good.conf" > "$dir/bad.conf"
check "$dir/bad.conf" && fail "a wrong kind and a wrong key pass"
grep -q "bad.conf:$(grep -n 'kind = "User"' "$dir/bad.conf" | cut -d: -f1):.*kind" "$dir/out" ||
    fail "the kind is not named with its line: $(cat "$dir/out")"
grep -q "bad.conf:$(grep -n 'evnt' "$dir/bad.conf" | cut -d: -f1):.*key" "$dir/out" ||
    fail "the key is not named with its line: $(cat "$dir/out")"

documents kind key unknown wait_max max_age stale
