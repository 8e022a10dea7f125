#!/bin/sh
# SPDX-License-Identifier: MIT
# A test that passes fails nevertheless when a process that it started was
# reported by a checker; without a report it passes.
dir=$(mktemp -d) || exit 99
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 99
status=0

# result EXPECTED COMMAND: what the driver makes of it
result() {
    "${CONFIG_SHELL-/bin/sh}" "$IL_SRCDIR/tests/checkers/driver.sh" \
        --test-name t --log-file t.log --trs-file t.trs -- sh -c "$2" >out.txt
    grep -q "^:test-result: $1" t.trs || {
        echo "$2: expected $1, got:"
        cat t.trs out.txt
        status=1
    }
}

result PASS 'true'
result FAIL 'false'
result SKIP 'exit 77'
result PASS ': >"$IL_REPORTS/valgrind.1"'
# what the sanitizers are told is where the driver looks
result FAIL 'path=${ASAN_OPTIONS#*log_path=}; (echo overflow >"${path%%:*}.12" &) ; sleep 0.2'
grep -q overflow t.log || { echo "the log lacks the report"; status=1; }
result FAIL 'path=${TSAN_OPTIONS#*log_path=}; echo race >"${path%%:*}.12"'
result FAIL 'path=${UBSAN_OPTIONS#*log_path=}; echo shift >"${path%%:*}.12"'
exit $status
