#!/bin/sh
# SPDX-License-Identifier: MIT
# run.sh NAME... -- CPPFLAGS...
#
# Build the fuzz targets with clang's libFuzzer and run each for FUZZ_TIME.
# Called by `make fuzz`, from the build folder.  What is found stays in
# tests/fuzz/build: corpus/NAME grows from run to run, and a crash-NAME-* can
# be replayed with tests/fuzz/fuzz-NAME.
set -eu

names=
while [ "$1" != -- ]; do
    names="$names $1"
    shift
done
shift

build=tests/fuzz/build
flags="-g -O1 -fno-omit-frame-pointer -fno-sanitize-recover=all"
flags="$flags -fsanitize=address,undefined"
mkdir -p "$build"

echo 'int LLVMFuzzerTestOneInput(const char *p, unsigned long n);
int LLVMFuzzerTestOneInput(const char *p, unsigned long n)
{ return p && n > 99999999; }' >"$build/try.c"
if ! $CLANG -fsanitize=fuzzer,address "$build/try.c" -o "$build/try" \
    2>"$build/try.log"; then
    echo "fuzz: skipped: $CLANG with libFuzzer is not here" \
        "(Debian: apt install clang libclang-rt-dev)" >&2
    exit 0
fi

echo "fuzz: building core with $CLANG"
objects=
for source in $SOURCES; do
    case $source in
    *.c) ;;
    *) continue ;;
    esac
    object=$build/${source%.c}.o
    mkdir -p "${object%/*}"
    objects="$objects $object"
    if [ ! -e "$object" ] || [ -n "$(find "$SRCDIR/core" "$SRCDIR/sdk/plugin" \
        -name '*.[ch]' -newer "$object" | head -n 1)" ]; then
        mkdir -p "${object%/*}"
        $CLANG $flags -fsanitize=fuzzer-no-link "$@" -c \
            "$SRCDIR/$source" -o "$object"
    fi
done
rm -f "$build/libcore.a"
ar rc "$build/libcore.a" $objects
libs=
for lib in $LIBS; do
    case $lib in
    core/libcore.a) libs="$libs $build/libcore.a" ;;
    *) libs="$libs $lib" ;;
    esac
done

failed=
for name in $names; do
    $CLANG $flags -fsanitize=fuzzer "$@" \
        "$SRCDIR/tests/fuzz/fuzz-$name.c" -o "$build/fuzz-$name" $libs
    mkdir -p "$build/corpus/$name"
    echo "fuzz: $name for $FUZZ_TIME s"
    if "$build/fuzz-$name" -max_total_time="$FUZZ_TIME" -timeout=5 \
        -rss_limit_mb=1024 -print_final_stats=1 \
        -artifact_prefix="$build/crash-$name-" \
        "$build/corpus/$name" "$SRCDIR/tests/fuzz/corpus/$name" \
        >"$build/$name.log" 2>&1; then
        grep -E 'number_of_executed_units|DONE|peak_rss' "$build/$name.log" |
            sed "s/^/fuzz: $name: /"
    else
        tail -n 60 "$build/$name.log" >&2
        failed="$failed $name"
    fi
done
if [ -n "$failed" ]; then
    echo "fuzz: failed:$failed; the inputs are $build/crash-*" >&2
    exit 1
fi
