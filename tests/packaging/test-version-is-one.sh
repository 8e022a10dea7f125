#!/bin/sh
# SPDX-License-Identifier: MIT
# The command, NEWS, Debian's changelog and the spec of RPM name one version;
# --version --verbose tells what a report of a bug needs.
set -u
status=0
version=$("$IL_BUILDDIR/ingestlayer" --version | sed 's/^ingestlayer //')

same() {
    [ "$2" = "$version" ] && return
    echo "$1: expected $version, is $2"
    status=1
}
same NEWS "$(sed -n '/^[0-9]/{s/ .*//p;q}' "$IL_SRCDIR/NEWS")"
same debian/changelog \
    "$(sed -n '1s/^ingestlayer (\(.*\)-[0-9]*).*/\1/p' "$IL_SRCDIR/debian/changelog")"
same conf/rpm/ingestlayer.spec \
    "$(sed -n 's/^Version: *//p' "$IL_SRCDIR/conf/rpm/ingestlayer.spec")"

"$IL_BUILDDIR/ingestlayer" --verbose --version > /dev/null || status=1
told=$("$IL_BUILDDIR/ingestlayer" --version --verbose)
for word in "plugin ABI" config "plugin folder" systemd compiler flags \
    libconfig gnutls lmdb msgpack-c pcre2 xxhash zlib; do
    echo "$told" | grep -q "^$word: *[^ ]" || {
        echo "--version --verbose does not tell: $word"
        status=1
    }
done
"$IL_BUILDDIR/ingestlayer" --version --loud 2>/dev/null && status=1

if command -v rpmspec >/dev/null; then
    rpmspec -q "$IL_SRCDIR/conf/rpm/ingestlayer.spec" > /dev/null || status=1
fi
exit $status
