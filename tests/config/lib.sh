# SPDX-License-Identifier: MIT
# For tests of configs: each gets a folder of its own and works in it.
set -u
umask 077 # a key in a config that others can read is a warning
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

# checks EXPECTED-FILE CONF: so is that of check, once the config also has what
# is not its subject: a state_dir, addresses that nobody has
checks() {
    for option in 'state_dir = "state"' 'http = { listen = "127.0.0.1:0"; }' \
        'admin = { listen = "127.0.0.1:0"; }'; do
        grep -q "^${option%%=*}=" "$2" || echo "$option;" >> "$2"
    done
    says "$1" "$il" check -c "$2"
}

# exits EXPECTED: what the last says() ended with
exits() {
    [ "$code" = "$1" ] && return
    echo "exit code: expected $1, got $code"
    status=1
}
