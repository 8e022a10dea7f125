#!/bin/sh
# SPDX-License-Identifier: MIT
# The units are valid, the daemon runs as a user of its own for good, and is
# exposed 1.7 of 10 at most, as systemd counts.
set -u
command -v systemd-analyze >/dev/null || exit 77
systemd-analyze --help | grep -q -e --offline || exit 77
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
unit=$dir/ingestlayer.service
status=0
# It names the installed command, which is not there.
sed 's|^\(Exec[A-Za-z]*=\)[^ ]*|\1/bin/true|' \
    "$IL_BUILDDIR/conf/ingestlayer.service" > "$unit"

cp "$IL_SRCDIR/conf/ingestlayer.socket" "$dir"

systemd-analyze verify --man=no "$unit" "$dir/ingestlayer.socket" > "$dir/out" 2>&1
if grep "$dir" "$dir/out"; then
    echo "expected: no complaint about the units"
    status=1
fi
systemd-analyze security --offline=yes --threshold=17 "$unit" \
    > "$dir/out" 2>&1 || {
    grep '✗\|exposure' "$dir/out"
    status=1
}
if grep -q DynamicUser "$unit" || ! grep -q '^User=ingestlayer$' "$unit"; then
    echo "expected: the static user ingestlayer"
    status=1
fi
if command -v systemd-sysusers >/dev/null; then
    mkdir "$dir/root" "$dir/root/etc"
    systemd-sysusers --root="$dir/root" \
        "$IL_SRCDIR/conf/ingestlayer.sysusers" &&
        grep -q '^ingestlayer:' "$dir/root/etc/passwd" &&
        grep -q '^ingestlayer:' "$dir/root/etc/group" || {
        echo "sysusers made no user and group"
        status=1
    }
fi
exit $status
