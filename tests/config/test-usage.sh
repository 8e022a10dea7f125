#!/bin/sh
# SPDX-License-Identifier: MIT
# Every command has --help, on standard output with exit code 0; a wrong
# command line is exit code 2, on standard error.
. "$IL_SRCDIR/tests/config/lib.sh"
commands=$("$il" --help | sed -n 's/^  \([a-z]*\)  .*/\1/p')
[ -n "$commands" ] || exit 1
for command in $commands; do
    "$il" "$command" --help > out.txt 2> err.txt
    code=$?
    if [ $code != 0 ] || ! grep -q "^usage: ingestlayer $command" out.txt ||
        [ -s err.txt ]; then
        echo "$command --help: exit code $code"
        cat out.txt err.txt
        status=1
    fi
    "$il" "$command" --no-such-option > out.txt 2> err.txt < /dev/null
    code=$?
    if [ $code != 2 ] || [ -s out.txt ] || ! [ -s err.txt ]; then
        echo "$command --no-such-option: exit code $code, expected 2"
        cat out.txt err.txt
        status=1
    fi
done
cat > want.txt <<'END'
ingestlayer: there is no command "chekc"; did you mean "check"?
Try: ingestlayer --help
END
says want.txt "$il" chekc
exits 2
"$il" check stray > out.txt 2> err.txt
[ $? = 2 ] && grep -q 'unexpected argument "stray"' err.txt || {
    cat err.txt
    status=1
}
"$il" --version | grep -q '^ingestlayer [0-9]' || status=1
cat > a.conf <<END
state_dir = "$dir/state";
END
if [ -w /dev/full ]; then
    "$il" plugins > /dev/full 2> err.txt
    [ $? = 1 ] && grep -q 'standard output' err.txt || {
        echo "plugins > /dev/full: expected exit code 1 and a message"
        status=1
    }
fi
echo "ingestlayer dead: state_dir /no/such/dir: No such file or directory" \
    > want.txt
says want.txt "$il" dead list -s /no/such/dir
exits 1
echo "ingestlayer: no daemon runs on state_dir $dir/state" > want.txt
says want.txt "$il" status -c a.conf
exits 1
exit $status
