#!/bin/sh
# SPDX-License-Identifier: MIT
# Each kind of bad plugin is refused with a message of its own.
set -u
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
bad=$IL_BUILDDIR/tests/abi/.libs
status=0

# refused NAME PATTERN
refused() {
    out=$(INGESTLAYER_PLUGIN_PATH=${3-$bad} "$IL_BUILDDIR/core/ingestlayer" \
        plugins "$1" 2>&1) && {
        echo "$1: was not refused"
        status=1
    }
    case $out in
    *$2*) ;;
    *) printf '%s: expected: %s\n%s  actual:   %s\n' "$1" "$2" "$1" "$out"
       status=1 ;;
    esac
}

refused bad.major 'was built for plugin ABI 7.3, this host has 1.0; rebuild it'
refused bad.size 'its descriptor has 24 bytes, ABI 1.0 has '
refused bad.stride 'its options have 12 bytes, ABI 1.0 has '
refused bad.table 'its function table has '
refused bad.needs 'says that it needs plugin ABI 1.1 but was built for 1.0'
refused bad.minor 'needs plugin ABI 1.999 or later, this host has 1.0; upgrade'
refused bad.symbol 'is not an ingestlayer plugin: it has no symbol il_plugin'
refused bad.kind 'is of kind 9, which this host does not know'
refused bad.name 'calls itself "another"; file and name must be the same'
refused bad.callback 'is a step without process()'
refused bad.threads 'declares a threading (3) that this host does not know'
refused bad.each 'says IL_PER_EVENT, which is for destinations without resume()'
refused bad.flag 'has a flag (0x80) that this host does not know'
refused bad.reserved "option \"host\": that name is the host's"
refused bad.optionflag 'option "odd": an option flag that this host does not'
refused bad.option 'option "odd": an option type that this host does not know'

echo 'int main(void) { return 0; }' > "$dir/text.so"
refused text 'text.so is not a shared object' "$dir"
: > "$dir/empty.so"
refused empty 'empty.so is not a shared object' "$dir"
head -c 100 "$bad/bad.major.so" > "$dir/cut.so"
refused cut 'cut.so is cut off' "$dir"
# Mapped, each of these would be a bus error.
for n in 70 1000 4096 5000 9000; do
    head -c $n "$bad/bad.major.so" > "$dir/cut.so"
    refused cut 'cut.so is cut off' "$dir"
done
ln -s /no/such/file "$dir/dangling.so"
refused dangling "cannot read $dir/dangling.so: No such file" "$dir"
mkdir "$dir/folder.so"
refused folder 'folder.so is not a shared object' "$dir"
refused ../x 'cannot be the name of a plugin' "$dir"
refused emtpy 'there is no plugin "emtpy"; did you mean "empty"?' "$dir"
refused far.from.all 'if it has a package, that is ingestlayer-plugin-far-from-all' "$dir"
exit $status
