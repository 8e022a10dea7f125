#!/bin/sh
# SPDX-License-Identifier: MIT
# `ingestlayer check` shows where an expression is wrong, and loads the example.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
INGESTLAYER_KEY=test-key-of-the-example
DATABASE_URL=postgresql:///nowhere
export INGESTLAYER_KEY DATABASE_URL
example=$IL_SRCDIR/plugins/filter.match/filter.match.conf

if ! "$IL_BUILDDIR/ingestlayer" plugins sdk.event >/dev/null 2>&1 ||
    ! "$IL_BUILDDIR/ingestlayer" plugins warehouse.pg >/dev/null 2>&1; then
    echo "the example's other plugins are not built" >&2
    exit 77
fi

# The manual quotes the example, comments apart.
manual=$IL_SRCDIR/plugins/filter.match/filter.match.5
grep -v '^#' "$example" | grep . | while IFS= read -r line; do
    grep -qxF -e "$line" "$manual" || {
        echo "the manual lacks: $line" >&2
        exit 1
    }
done

sed -e "s/8080/0/; /^http/s/\$/ admin = { listen = \"127.0.0.1:0\"; };/" -e "s|/var/lib/ingestlayer|$dir/state|" "$example" >"$dir/good.conf"
"$IL_BUILDDIR/ingestlayer" check -c "$dir/good.conf" || {
    echo "the example does not load" >&2
    exit 1
}

sed 's/where = .*/where = "amount >= and currency == '"'EUR'"'"; } );/' \
    "$dir/good.conf" >"$dir/bad.conf"
line=$(grep -n 'where = ' "$dir/bad.conf" | cut -d: -f1)
status=0
"$IL_BUILDDIR/ingestlayer" check -c "$dir/bad.conf" >"$dir/out" 2>&1 ||
    status=$?
[ $status -eq 1 ] || { cat "$dir/out"; echo "exit code $status, not 1"; exit 1; }
cat >"$dir/expected" <<END
$dir/bad.conf:$line: pipeline "feature-usage", step 1 (filter.match): where: expected a value
    amount >= and currency == 'EUR'
              ^
END
grep -A2 -F "where:" "$dir/out" | diff "$dir/expected" - || {
    cat "$dir/out"
    exit 1
}
