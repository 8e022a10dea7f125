#!/bin/sh
# SPDX-License-Identifier: MIT
# A start that has too little memory ends with a message, whatever it was doing
# when there was no more: reading a large config above all, since libconfig
# does not expect it.
. "$IL_SRCDIR/tests/config/lib.sh"
[ -z "${IL_VALGRIND-}" ] || { echo "not under valgrind"; exit 77; }
if grep -q '^#define IL_SANITIZED' "$IL_BUILDDIR/config.h"; then
    echo "a sanitizer needs more memory than there is"
    exit 77
fi
python3 - > a.conf <<'END' || exit 77
print('events = (')
print(",\n".join('{ type = "t%d"; fields = ( { name = "a"; type = "string"; }, { name = "b"; type = "number"; } ); }'
                 % i for i in range(3000)))
print(');')
END
fine=0 refused=0
kb=16000
while [ $fine -lt 3 ] && [ $kb -lt 400000 ]; do
    (ulimit -v $kb && exec "$il" types -c a.conf) > out.txt 2> err.txt
    code=$?
    case $code in
    0) fine=$((fine + 1)) ;;
    1)
        refused=$((refused + 1))
        grep -q 'memory' err.txt || {
            echo "with $kb kB nothing is said of memory:"
            head -n 3 err.txt
            status=1
        }
        ;;
    *)
        # before main() the dynamic loader ends as it likes
        [ $refused = 0 ] || {
            echo "with $kb kB: exit code $code"
            head -n 3 err.txt
            status=1
        }
        ;;
    esac
    kb=$((kb + 400))
done
[ $fine = 3 ] || { echo "it never had enough"; status=1; }
[ $refused -gt 3 ] || { echo "refused only $refused times"; status=1; }
exit $status
