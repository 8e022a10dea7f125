#!/bin/sh
# SPDX-License-Identifier: MIT
# The example is a good config, a wrong one is refused with its line, and the
# manual has every option.
. "$IL_SRCDIR/tests/lib/plugin-check.sh"
begin transform warehouse.pg sdk.event

sed 's|from = "usr.id"|from = "$entity.usr.id"|' "$dir/good.conf" > "$dir/bad.conf"
check "$dir/bad.conf" && fail "a trait is renamed"
grep -q "bad.conf:$(grep -n 'entity.usr' "$dir/bad.conf" | cut -d: -f1):.*from" "$dir/out" ||
    fail "the path is not named with its line: $(cat "$dir/out")"

documents body rename set remove keep
