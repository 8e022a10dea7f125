#!/bin/sh
# SPDX-License-Identifier: MIT
# A step in C++ is built, does what it says, and keeps the rules; a test in C++
# links the test host.
set -u
cxx=${CXX:-c++}
command -v "$cxx" >/dev/null || exit 77
command -v pkg-config >/dev/null || exit 77
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
example=$IL_SRCDIR/sdk/plugin/examples/cxx/example.length.cc
sanitizers=$(sed -n 's/^#define IL_SANITIZED "\(.*\)"/\1/p' "$IL_BUILDDIR/config.h")
flags="-g -Wall -Wextra -Wpedantic -Wno-missing-field-initializers -Werror
    -I$IL_SRCDIR/sdk/plugin -I$IL_SRCDIR/sdk/plugin/testhost
    ${sanitizers:+-fsanitize=$sanitizers}"

for standard in c++11 c++20; do
    # shellcheck disable=SC2086 # a list of flags
    "$cxx" -std=$standard $flags -fPIC -shared -fvisibility=hidden \
        -Wl,-z,defs -o "$dir/example.length.so" "$example" || exit 1
    symbols=$(nm -D --defined-only "$dir/example.length.so" |
        awk '{ print $NF }' | grep -v '^_')
    [ "$symbols" = il_plugin ] || {
        echo "it exports: $symbols"
        exit 1
    }
    "$IL_BUILDDIR/tests/abi/languages" cxx "$dir/example.length.so" || exit 1
    # shellcheck disable=SC2046,SC2086
    "$cxx" -std=$standard $flags -x c++ -o "$dir/languages" \
        "$IL_SRCDIR/tests/abi/languages.c" -x none \
        "$IL_BUILDDIR/sdk/plugin/testhost/libingestlayer-testhost.a" \
        $(pkg-config --libs gnutls libconfig libpcre2-8 lmdb zlib) -lpthread \
        -ldl || exit 1
    "$dir/languages" cxx "$dir/example.length.so" || exit 1
done
"$IL_BUILDDIR/ingestlayer" plugins --verify "$dir/example.length.so" \
    'field = "$event.payload.name"; max = 3;' >"$dir/out" || {
    cat "$dir/out"
    exit 1
}
