#!/bin/sh
# SPDX-License-Identifier: MIT
# Automake's test driver, and one thing more: a report of a sanitizer or of
# valgrind fails the test, whichever process wrote it.  A daemon that a Python
# or node test has killed, or whose exit code nobody looked at, counts too.
#
# Each process writes its reports to a file of its own below IL_REPORTS; they
# end up in the test's log.
here=$(cd "$(dirname "$0")" && pwd)
name='' log='' trs='' previous=
for arg; do
    case $previous in
    --test-name) name=$arg ;;
    --log-file) log=$arg ;;
    --trs-file) trs=$arg ;;
    esac
    [ "$arg" = -- ] && break
    previous=$arg
done
case $log in
/*) IL_REPORTS=${log%.log}.reports ;;
*) IL_REPORTS=$PWD/${log%.log}.reports ;;
esac
rm -rf "$IL_REPORTS"
mkdir -p "$IL_REPORTS" || exit 1
chmod 1777 "$IL_REPORTS" # a daemon may have dropped its privileges
ASAN_OPTIONS=log_path=$IL_REPORTS/asan:detect_stack_use_after_return=1${ASAN_OPTIONS:+:$ASAN_OPTIONS}
UBSAN_OPTIONS=log_path=$IL_REPORTS/ubsan:print_stacktrace=1${UBSAN_OPTIONS:+:$UBSAN_OPTIONS}
TSAN_OPTIONS=log_path=$IL_REPORTS/tsan:suppressions=$here/tsan.supp:print_suppressions=0:second_deadlock_stack=1${TSAN_OPTIONS:+:$TSAN_OPTIONS}
LSAN_OPTIONS=suppressions=$here/lsan.supp:print_suppressions=0${LSAN_OPTIONS:+:$LSAN_OPTIONS}
export IL_REPORTS LSAN_OPTIONS ASAN_OPTIONS UBSAN_OPTIONS TSAN_OPTIONS

"${CONFIG_SHELL-/bin/sh}" "$here/../../build-aux/test-driver" "$@"
status=$?

reports=$(find "$IL_REPORTS" -type f -size +0)
if [ -n "$reports" ]; then
    find "$IL_REPORTS" -type f -size +0 -exec cat {} + >>"$log"
    cat >"$trs" <<END
:test-result: FAIL
:global-test-result: FAIL
:recheck: yes
:copy-in-global-log: yes
END
    echo "FAIL: $name: $(echo "$reports" | wc -l) processes were reported, see $log"
fi
rm -rf "$IL_REPORTS"
exit $status
