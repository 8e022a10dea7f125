#!/bin/sh
# SPDX-License-Identifier: MIT
# `make demo`, also with MIRROR=1, finds its rows and its alert right, and leaves no file, no server
# and no endpoint behind.
set -eu
for program in node openssl; do
    command -v $program >/dev/null 2>&1 || exit 77
done
for plugin in sdk.event enrich.entity entities.pg filter.match warehouse.pg webhook.out; do
    [ -f "$IL_BUILDDIR/plugins/$plugin/.libs/$plugin.so" ] || exit 77
done
[ -f "$IL_BUILDDIR/sdk/typescript/dist/esm/index.js" ] || exit 77
dir=$(mktemp -d "${TMPDIR:-/tmp}/il-demo.XXXXXX")
trap 'rm -rf "$dir"' EXIT
chmod 755 "$dir"
mkdir -m 755 "$dir/tmp"
for mirror in "" 1; do
    TMPDIR=$dir/tmp KEEP='' MIRROR=$mirror sh "$IL_SRCDIR/conf/recipes/demo.sh" > "$dir/said" 2>&1 || {
        cat "$dir/said"
        exit 1
    }
done
if [ -n "$(ls -A "$dir/tmp")" ]; then
    echo "expected nothing, found:" && ls -lA "$dir/tmp"
    exit 1
fi
# What it starts has the folder on its command line.
for file in /proc/[0-9]*/cmdline; do
    if grep -aqs "$dir/tmp" "$file"; then
        echo "expected no process, found:" && tr '\0' ' ' < "$file"
        exit 1
    fi
done
