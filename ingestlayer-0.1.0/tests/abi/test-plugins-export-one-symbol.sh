#!/bin/sh
# SPDX-License-Identifier: MIT
# Each plugin exports il_plugin and nothing else.
command -v nm >/dev/null || exit 77
status=0 seen=0
for so in "$IL_BUILDDIR"/plugins/*/.libs/*.so; do
    [ -f "$so" ] || continue
    seen=1
    # What sanitizers and coverage add begins with an underscore.
    symbols=$(nm -D --defined-only "$so" | awk '{ print $NF }' | grep -v '^_')
    [ "$symbols" = il_plugin ] && continue
    echo "$so: expected: il_plugin"
    echo "$so: actual:   $symbols"
    status=1
done
[ $seen = 1 ] || exit 77
exit $status
