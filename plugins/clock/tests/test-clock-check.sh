#!/bin/sh
# SPDX-License-Identifier: MIT
# The example is a good config, a wrong one is refused with its line, and the
# manual has every option.
. "$IL_SRCDIR/tests/lib/plugin-check.sh"
begin clock warehouse.pg sdk.event throttle

for bad in 's|every = "1m"|every = "10ms"|' 's|every = "1m"|& ; offset = "2m"|' 's|every = "1m"; ||'; do
    sed "$bad" "$dir/good.conf" > "$dir/bad.conf"
    check "$dir/bad.conf" && fail "$bad: is taken"
    grep -q 'bad.conf:7: .*source "minutes" (clock)' "$dir/out" ||
        fail "$bad: the source is not named with its line: $(cat "$dir/out")"
done

# Ticks need no declaration, and the pipeline stays closed beside them.
{ cat "$dir/good.conf"; cat << END
events = ( { type = "error.raised"; fields = ( { name = "service"; type = "string"; } ); } );
END
} > "$dir/declared.conf"
check "$dir/declared.conf" || fail "with declarations it is refused: $(cat "$dir/out")"
sed 's|payload.service|payload.servce|' "$dir/declared.conf" > "$dir/bad.conf"
check "$dir/bad.conf" && fail "a field that is not declared passes beside a clock"

documents every offset missed
