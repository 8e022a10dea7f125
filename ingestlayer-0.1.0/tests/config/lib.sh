# SPDX-License-Identifier: MIT
# For tests of configs: each gets a folder of its own and works in it.
set -u
il=$IL_BUILDDIR/ingestlayer
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
status=0

# needs PLUGIN...: skip where one was left out at configure
needs() {
    for plugin in "$@"; do
        "$il" plugins "$plugin" >/dev/null 2>&1 && continue
        echo "plugin $plugin was not built"
        exit 77
    done
}

# says EXPECTED-FILE COMMAND...: the command's standard error is exactly that
says() {
    expected=$1
    shift
    "$@" >out.txt 2>err.txt
    code=$?
    diff "$expected" err.txt >diff.txt && return
    echo "$*: < expected, > actual"
    cat diff.txt
    status=1
}

# exits EXPECTED: what the last says() ended with
exits() {
    [ "$code" = "$1" ] && return
    echo "exit code: expected $1, got $code"
    status=1
}
