#!/bin/sh
# SPDX-License-Identifier: MIT
# The example is a good config, a wrong one is refused with its line, and the
# manual has every option.
. "$IL_SRCDIR/tests/lib/plugin-check.sh"
begin throttle warehouse.pg sdk.event

for bad in 's|max = 20|max = 0|' 's|max = 20; ||' 's|window = "1h";||' 's|max = 20|& ; mode = "later"|'; do
    sed "$bad" "$dir/good.conf" > "$dir/bad.conf"
    check "$dir/bad.conf" && fail "$bad: is taken"
    grep -q "bad.conf:1[0-9]: .*throttle" "$dir/out" ||
        fail "$bad: the step is not named with its line: $(cat "$dir/out")"
done

# Only marks can be read.
sed 's|table = .*;|& when = "$step.limit.passed";|' "$dir/good.conf" > "$dir/bad.conf"
check "$dir/bad.conf" && fail "a result is read that is not there"
sed 's|max = 20;|& mode = "mark";|' "$dir/bad.conf" > "$dir/marked.conf"
check "$dir/marked.conf" || fail "a result is not found: $(cat "$dir/out")"

documents key max window mode delay_max summary
