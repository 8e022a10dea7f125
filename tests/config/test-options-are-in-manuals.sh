#!/bin/sh
# SPDX-License-Identifier: MIT
# Every option of every table is in its manual, and the other way round.
set -u
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
il=$IL_BUILDDIR/ingestlayer

# The names of options in a dump, without the groups they are in.
in_table() {
    sed -n 's/^option\.\(.*\)\.type=.*/\1/p' | sed 's/.*\.//' | sort -u
}

# Names in the sections that describe options: items of lists (.It Ic NAME), or
# with "all" also those in the text (.Ic NAME), where short groups are described.
in_manual() {
    awk -v all="$2" '
        /^\.Sh / { on = ($2 ~ /^(OPTIONS|THE|EVENTS|SOURCES|PIPELINES)$/) }
        on && /^\.It (Ic|Cm) / { print $3 }
        on && all && /^\.(Ic|Cm) / { print $2 }' "$1" | sort -u
}

# same NAME MANUAL: nothing in the one that is not in the other
same() {
    in_manual "$2" all | comm -23 "$dir/table" - | sed "s/^/$1: the manual lacks /"
    in_manual "$2" "" | comm -13 "$dir/table" - | sed "s/^/$1: the table lacks /"
}

{
for table in root tests source step destination; do
    "$il" plugins --dump "($table)" || echo "no dump"
done | in_table > "$dir/table"
cat "$IL_SRCDIR/core/ingestlayer.conf.5" "$IL_SRCDIR/core/ingestlayer-tests.5" \
    > "$dir/manual"
same "the host" "$dir/manual"

for so in "$IL_BUILDDIR"/plugins/*/.libs/*.so; do
    [ -f "$so" ] || continue
    name=$(basename "$so" .so)
    manual=$IL_SRCDIR/plugins/$name/$name.5
    "$il" plugins --dump "$name" > "$dir/dump" || echo "no dump"
    in_table < "$dir/dump" > "$dir/table"
    if [ -f "$manual" ]; then
        same "$name" "$manual"
    else
        echo "$name has no manual"
    fi
done
} > "$dir/found" 2>&1
[ -s "$dir/found" ] || exit 0
cat "$dir/found"
exit 1
