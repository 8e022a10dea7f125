#!/bin/sh
# SPDX-License-Identifier: MIT
# The daemon and its plugins: PIE, full RELRO, BIND_NOW, no executable stack,
# stack protector, FORTIFY.
set -u
command -v readelf >/dev/null || exit 77
for word in -fstack-protector-strong -pie -D_FORTIFY_SOURCE= -z,now; do
    "$IL_BUILDDIR/ingestlayer" --version --verbose | grep -q -e "$word" || {
        echo "built without $word: nothing to test"
        exit 77
    }
done
status=0 seen=0

# lacks FILE WHAT PATTERN READELF-OPTION; with "!" before it: has
lacks() {
    if [ "$3" = "!" ]; then
        readelf -W "$5" "$1" 2>/dev/null | grep -Eq -e "$4" || return 0
    else
        readelf -W "$4" "$1" 2>/dev/null | grep -Eq -e "$3" && return 0
    fi
    echo "$1: $2"
    status=1
}

for elf in "$IL_BUILDDIR/core/ingestlayer" "$IL_BUILDDIR"/plugins/*/.libs/*.so
do
    [ -f "$elf" ] || continue
    seen=$((seen + 1))
    lacks "$elf" "not position independent" 'Type: +DYN' -h
    lacks "$elf" "no RELRO" GNU_RELRO -l
    lacks "$elf" "no BIND_NOW" 'BIND_NOW|FLAGS.*NOW' -d
    lacks "$elf" "an executable stack" ! 'GNU_STACK.* RWE' -l
    lacks "$elf" "no note of the stack" GNU_STACK -l
    lacks "$elf" "a path of the build (RPATH)" ! 'RPATH|RUNPATH' -d
done
# What a plugin may do without has its place in the daemon.
daemon=$IL_BUILDDIR/core/ingestlayer
lacks "$daemon" "no program interpreter: not PIE" INTERP -l
lacks "$daemon" "no stack protector" __stack_chk_fail --dyn-syms
lacks "$daemon" "no FORTIFY" '__(v?s?n?printf|memcpy|read|fd|vfprintf)[a-z]*_chk' \
    --dyn-syms
[ $seen -gt 0 ] || { echo "nothing was built?"; exit 1; }
exit $status
