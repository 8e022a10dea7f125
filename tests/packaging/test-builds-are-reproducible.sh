#!/bin/sh
# SPDX-License-Identifier: MIT
# Two folders with names of different lengths, two builds of the release, the
# same bytes in every file that is installed.  Takes minutes: make check-slow.
set -eu
[ -n "${IL_SLOW-}" ] || exit 77
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
CCACHE_DISABLE=1
export CCACHE_DISABLE
unset MAKEFLAGS MFLAGS MAKELEVEL TESTS

(cd "$IL_BUILDDIR" && make -s distdir distdir="$dir/source") > "$dir/dist.out" 2>&1 ||
    { tail "$dir/dist.out"; exit 1; }
build() {
    cp -r "$dir/source" "$dir/$1"
    cd "$dir/$1"
    { ./configure --prefix=/usr --sysconfdir=/etc &&
        make -s "-j${IL_JOBS-2}" &&
        make -s install DESTDIR="$dir/installed-$1"; } > "$dir/$1.out" 2>&1 ||
        { tail "$dir/$1.out"; exit 1; }
}
build one
build another-folder
cd "$dir"
diff -r installed-one installed-another-folder
for elf in $(find installed-one -type f); do
    ! grep -q "$dir" "$elf" || { echo "$elf names the folder of its build"; exit 1; }
done
[ -x installed-one/usr/bin/ingestlayer ]
