#!/bin/sh
# SPDX-License-Identifier: MIT
# The example is a good config, a wrong one is refused with its line, and the
# manual has every option.
set -eu
here=$IL_SRCDIR/plugins/throttle
[ -f "$IL_BUILDDIR/plugins/warehouse.pg/.libs/warehouse.pg.so" ] || exit 77
[ -f "$IL_BUILDDIR/plugins/sdk.event/.libs/sdk.event.so" ] || exit 77
dir=$(mktemp -d "${TMPDIR:-/tmp}/il-throttle.XXXXXX")
trap 'rm -rf "$dir"' EXIT
fail() { echo "$*" >&2; exit 1; }
INGESTLAYER_KEY=a-key DATABASE_URL=dbname=warehouse
export INGESTLAYER_KEY DATABASE_URL
check() {
    "$IL_BUILDDIR/ingestlayer" check -c "$1" > "$dir/out" 2>&1
}

sed -e "s/8080/0/; /^http/s/\$/ admin = { listen = \"127.0.0.1:0\"; };/" -e "s|/var/lib/ingestlayer|$dir|" "$here/throttle.conf" > "$dir/good.conf"
check "$dir/good.conf" || fail "the example is refused: $(cat "$dir/out")"

for bad in 's|max = 20|max = 0|' 's|max = 20; ||' 's|window = "1h";||' 's|max = 20|& ; mode = "later"|'; do
    sed "$bad" "$dir/good.conf" > "$dir/bad.conf"
    check "$dir/bad.conf" && fail "$bad: is taken"
    grep -q "bad.conf:1[0-9]: .*throttle" "$dir/out" ||
        fail "$bad: the step is not named with its line: $(cat "$dir/out")"
done

# Only marks can be read.
sed 's|table = .*;|& when = "$step.limit.passed";|' "$dir/good.conf" > "$dir/bad.conf"
check "$dir/bad.conf" && fail "a result is read that is not there"
sed 's|max = 20;|& mode = "mark";|' "$dir/bad.conf" > "$dir/marked.conf"
check "$dir/marked.conf" || fail "a result is not found: $(cat "$dir/out")"

for option in key max window mode delay_max summary; do
    "$IL_BUILDDIR/ingestlayer" plugins throttle | grep -q "^ *$option: " ||
        fail "no option $option"
    grep -q "^\.It Ic $option\$" "$here/throttle.5" || fail "$option is not in the manual"
done
