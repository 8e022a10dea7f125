#!/bin/sh
# SPDX-License-Identifier: MIT
# Every option of every table is in its manual, and the other way round.
set -u
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
status=0
il=$IL_BUILDDIR/ingestlayer

# The names of options in a dump, without the groups they are in.
in_table() {
    sed -n 's/^option\.\(.*\)\.type=.*/\1/p' | sed 's/.*\.//' | sort -u
}

# Names that stand as items of lists, .It Ic NAME, in the sections that
# describe options.
in_manual() {
    awk '/^\.Sh / { on = ($2 ~ /^(OPTIONS|THE|EVENTS|SOURCES|PIPELINES)$/) }
        on && /^\.It (Ic|Cm) / { print $3 }' "$1" | sort -u
}

# same NAME MANUAL
same() {
    diff "$dir/table" "$dir/manual" > "$dir/diff" && return
    echo "$1: < options that $2 lacks, > options that the table lacks"
    grep '^[<>]' "$dir/diff"
    status=1
}

for table in root source step destination; do
    "$il" plugins --dump "($table)" || exit 1
done | in_table > "$dir/table"
in_manual "$IL_SRCDIR/core/ingestlayer.conf.5" > "$dir/manual"
same "the host" ingestlayer.conf.5

for so in "$IL_BUILDDIR"/plugins/*/.libs/*.so; do
    [ -f "$so" ] || continue
    name=$(basename "$so" .so)
    manual=$IL_SRCDIR/plugins/$name/$name.5
    "$il" plugins --dump "$name" > "$dir/dump" || exit 1
    in_table < "$dir/dump" > "$dir/table"
    if [ ! -f "$manual" ]; then
        echo "$name has no manual"
        status=1
        continue
    fi
    in_manual "$manual" > "$dir/manual"
    same "$name" "$name.5"
done
exit $status
