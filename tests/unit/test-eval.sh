#!/bin/sh
# SPDX-License-Identifier: MIT
# `ingestlayer eval`: an answer per line, and errors that point.
set -u
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
failed=0

# run STATUS EXPR: eval on $dir/in, into $dir/out and $dir/err.
run() {
    status=0
    "$IL_BUILDDIR/ingestlayer" eval "$2" <"$dir/in" >"$dir/out" \
        2>"$dir/err" || status=$?
    if [ $status -ne "$1" ]; then
        echo "$2: expected exit code $1, got $status" >&2
        cat "$dir/out" "$dir/err" >&2
        failed=1
    fi
}

# expect FILE: standard input is what it must hold.
expect() {
    diff - "$dir/$1" || { echo "unexpected $1 (< expected)" >&2; failed=1; }
}

printf '%s\n' '{"feature":"csv.export"}' '{"feature":"search"}' '{}' \
    >"$dir/in"
run 0 'feature in {export, *.export}'
expect out <<'END'
true
false
false
END
expect err </dev/null

# Bad lines keep their place, and the rest is answered.
printf '%s\n' '{"n":1}' '{"n":' '[1]' '' '{"n":2,"n":3}' >"$dir/in"
printf '%s' '{"n":9007199254740993}' >>"$dir/in"
run 1 'n == 9007199254740993'
expect out <<'END'
false
error
error
error
true
END
for line in 2 3 5; do
    grep -q "line $line" "$dir/err" || {
        echo "no word about line $line:" >&2
        cat "$dir/err" >&2
        failed=1
    }
done
grep -q '"n"' "$dir/err" || { echo "the double key is not named"; failed=1; }

# A wrong expression: exit code 2, the position, a caret; nothing is read.
run 2 'amount >= and currency == "EUR"'
expect out </dev/null
expect err <<'END'
ingestlayer eval: position 11: expected a value
    amount >= and currency == "EUR"
              ^
END
run 2 'plan == free and
  größe = 5 # why'
expect err <<'END'
ingestlayer eval: position 28: '=' is no comparison; write ==
      größe = 5 # why
            ^
END
run 2 'plan =~ "^f"'
expect err <<'END'
ingestlayer eval: position 6: '=~' is no comparison; write matches for a regular expression, like for a glob
    plan =~ "^f"
         ^
END
run 2 ''
expect err <<'END'
ingestlayer eval: position 1: the expression is empty
    
    ^
END

status=0
"$IL_BUILDDIR/ingestlayer" eval >/dev/null 2>&1 </dev/null || status=$?
[ $status -eq 2 ] || { echo "no expression: exit code $status" >&2; failed=1; }
"$IL_BUILDDIR/ingestlayer" eval --help | grep -q '^usage:' ||
    { echo "no usage on --help" >&2; failed=1; }
if [ -e /dev/full ]; then
    echo '{}' | "$IL_BUILDDIR/ingestlayer" eval true >/dev/full 2>"$dir/err"
    [ $? -eq 1 ] && grep -q 'standard output' "$dir/err" ||
        { echo "a full output is not told" >&2; failed=1; }
fi
exit $failed
