#!/bin/sh
# SPDX-License-Identifier: MIT
# The example is a good config, a wrong one is refused with its line, and the
# manual has every option.
. "$IL_SRCDIR/tests/lib/plugin-check.sh"
begin upsert.entity warehouse.pg sdk.event

sed 's|kind = "user"|kind = "User"|; s|id = "$event.payload|id = "$evnt.payload|
s|traits = ( \(.*\) );|traits = ( \1, \1 );|' "$dir/good.conf" > "$dir/bad.conf"
check "$dir/bad.conf" && fail "a wrong kind, a wrong id and a trait that is there twice pass"
for what in 'User:kind' 'evnt:id' 'traits:there twice'; do
    grep -q "bad.conf:$(grep -n "${what%%:*}" "$dir/bad.conf" | cut -d: -f1):.*${what#*:}" "$dir/out" ||
        fail "${what%%:*} is not named with its line: $(cat "$dir/out")"
done

documents kind id traits
