#!/bin/sh
# SPDX-License-Identifier: MIT
# run.sh asan|tsan|valgrind: the whole test suite under a checker, in a build
# tree of its own, checked/NAME below the build folder.  Called by `make
# check-asan` and the like; TESTS="..." chooses tests, RESUME=1 goes on where
# the last run stopped.  Ends with one line; fails on any failure or report.
set -u
name=$1
tree=checked/$name
patience=1 log_compiler=
case $name in
asan) flags=--enable-sanitizers=address,undefined patience=3 ;;
tsan) flags=--enable-sanitizers=thread patience=8 ;;
valgrind)
    if ! command -v valgrind >/dev/null; then
        echo "check-valgrind: valgrind is not here" >&2
        exit 1
    fi
    flags=--disable-sanitizers patience=25
    IL_VALGRIND=1
    export IL_VALGRIND
    ;;
*)
    echo "usage: run.sh asan|tsan|valgrind" >&2
    exit 2
    ;;
esac
# What tests wait for takes so many times as long.
IL_PATIENCE=${IL_PATIENCE-$patience}
CK_TIMEOUT_MULTIPLIER=${CK_TIMEOUT_MULTIPLIER-$patience}
export IL_PATIENCE CK_TIMEOUT_MULTIPLIER

# A source tree that is built in itself cannot be built elsewhere, too: take
# the files of a distribution instead, which keep their times.
source=$(cd "$SRCDIR" && pwd) || exit 1
mkdir -p "$tree" || exit 1
if [ "$source" = "$PWD" ]; then
    $MAKE distdir distdir=checked/source.new >/dev/null || exit 1
    rm -rf checked/source
    mv checked/source.new checked/source || exit 1
    for folder in sdk/typescript tests/webhooks tests/clients; do
        [ ! -d "$folder/node_modules" ] ||
            ln -s "$PWD/$folder/node_modules" "checked/source/$folder/"
    done
    source=$PWD/checked/source
fi

[ "$name" != valgrind ] || log_compiler="$SHELL $source/tests/checkers/valgrind.sh"
if [ ! -e "$tree/Makefile" ]; then
    echo "check-$name: configuring in $tree"
    # Warnings are for the plain build: checks that a sanitizer puts in make
    # the compiler see what is not there.
    (cd "$tree" && eval "'$source/configure'" "$CONFIGURE_ARGS" "$flags" \
        --disable-werror "'CFLAGS=-g -O1'" >configure.out 2>&1) || {
        tail -n 20 "$tree/configure.out" >&2
        exit 1
    }
fi
# Automake says of one that is not there: "failed to create" its log.
for one in ${TESTS-}; do
    case $one in
    *.sh | *.py) [ -e "$source/$one" ] && continue ;;
    *) grep -qF " $one\$(EXEEXT)" "$tree/Makefile" && continue ;;
    esac
    if [ -e "$SRCDIR/$one" ]; then
        echo "check-$name: $one is not in EXTRA_DIST" >&2
    else
        echo "check-$name: there is no test $one" >&2
    fi
    exit 1
done
echo "check-$name: building"
(cd "$tree" && $MAKE all >build.out 2>&1 &&
    $MAKE check TESTS= >>build.out 2>&1) || {
    tail -n 40 "$tree/build.out" >&2
    exit 1
}

began=$(date +%s) recheck=
if [ -n "${RESUME-}" ]; then
    recheck=RECHECK_LOGS=
    find "$tree" -name '*.trs' ! -name test-suite.trs | while read -r trs; do
        grep -qE '^:test-result: (PASS|SKIP)' "$trs" || rm -f "$trs" "${trs%.trs}.log"
    done
fi
rm -f "$tree/test-suite.log"
(cd "$tree" && $MAKE -k check $recheck "LOG_COMPILER=$log_compiler") |
    awk "/^(PASS|FAIL|SKIP|ERROR|XPASS|XFAIL): / { print; fflush() }"
count() { sed -n "s/^# $1: *//p" "$tree/test-suite.log" 2>/dev/null | head -n 1; }
if [ -z "$(count TOTAL)" ]; then
    echo "check-$name: the tests did not run; see: make -C $tree check" >&2
    exit 1
fi
failed=$(($(count FAIL) + $(count ERROR) + $(count XPASS)))
echo "check-$name: $(count TOTAL) tests, $(count PASS) passed," \
    "$(count SKIP) skipped, $failed failed, $(($(date +%s) - began)) s" \
    "($tree/test-suite.log)"
[ "$failed" = 0 ]
