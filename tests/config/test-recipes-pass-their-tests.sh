#!/bin/sh
# SPDX-License-Identifier: MIT
# Each recipe has tests beside it, and does what they say: without a daemon, a
# database or a network, and without a trace of them afterwards.
. "$(dirname "$0")/lib.sh"
recipes=$IL_SRCDIR/conf/recipes
needs warehouse.pg webhook.out slack sdk.event filter.match enrich.entity \
    dedupe throttle count redact.pii transform upsert.entity entities.pg
TMPDIR=$dir
export TMPDIR
for recipe in "$recipes"/*.conf; do
    case $recipe in
    *.tests.conf | */demo-*.conf) continue ;; # a file of include_dir
    esac
    [ -f "${recipe%.conf}.tests.conf" ] || {
        echo "$recipe has no tests"
        status=1
    }
done
"$il" test --junit report.xml "$recipes"/*.tests.conf >out.txt 2>&1 || {
    cat out.txt
    status=1
}
python3 - report.xml "$recipes" <<'END' || status=1
import glob, sys
from xml.etree import ElementTree
root = ElementTree.parse(sys.argv[1]).getroot()
suites = {s.get("name"): len(s.findall("testcase")) for s in root}
assert sorted(suites) == sorted(glob.glob(sys.argv[2] + "/*.tests.conf")), suites
assert min(suites.values()) >= 3 and int(root.get("failures")) == 0, suites
END
[ -z "$(ls -d ingestlayer-test.* 2>/dev/null)" ] || {
    echo "a folder is left behind"
    status=1
}
exit $status
