#!/bin/sh
# SPDX-License-Identifier: MIT
# Manuals read the same with man-db and with mandoc: no warnings, and no quotes
# within quotes, which is how a list behind one macro comes out.
set -u
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
command -v mandoc >/dev/null || command -v man >/dev/null || exit 77
cd "$IL_SRCDIR" || exit 1

# read_over TOOL MANUAL: the rendered text is in $dir/text
read_over() {
    [ -s "$dir/text" ] || echo "$2: $1 renders nothing"
    grep -nE "’’|‘‘|‘[^’]{0,30} ‘" "$dir/text" |
        sed "s|^|$2: $1: quotes in quotes, line |"
}
for manual in core/*.[157] plugins/*/*.5 sdk/plugin/*.3 \
    sdk/plugin/template/*/*.5; do
    if command -v mandoc >/dev/null; then
        mandoc -T lint -W warning "$manual" 2>&1 | grep -v 'unusual Xr order'
        mandoc -T utf8 "$manual" | sed 's/.\x08//g' > "$dir/text"
        read_over mandoc "$manual"
    fi
    if man --version 2>/dev/null | grep -q '^man '; then
        LC_ALL=C.UTF-8 MANWIDTH=80 man --warnings -l "$manual" \
            2>"$dir/warnings" | sed 's/.\x08//g' > "$dir/text"
        sed "s|^|$manual: man: |" "$dir/warnings"
        read_over man "$manual"
    fi
done > "$dir/found"
[ -s "$dir/found" ] || exit 0
cat "$dir/found"
exit 1
