# SPDX-License-Identifier: MIT
# For tests of a step's or source's options: its example is a good config, and its
# manual has every option.
#
#   . "$IL_SRCDIR/tests/lib/plugin-check.sh"
#   begin count warehouse.pg sdk.event   # and what the example has beside it
#   sed ... "$dir/good.conf" > "$dir/bad.conf"
#   check "$dir/bad.conf" && fail "..."  # what it says is in $dir/out
#   documents key window
set -eu
INGESTLAYER_KEY=a-key DATABASE_URL=dbname=warehouse
export INGESTLAYER_KEY DATABASE_URL

fail() { echo "$*" >&2; exit 1; }

check() {
    "$IL_BUILDDIR/ingestlayer" check -c "$1" > "$dir/out" 2>&1
}

# begin PLUGIN OTHER...: skips where one was left out at configure
begin() {
    plugin=$1
    here=$IL_SRCDIR/plugins/$plugin
    for other in "$@"; do
        [ -f "$IL_BUILDDIR/plugins/$other/.libs/$other.so" ] || exit 77
    done
    dir=$(mktemp -d "${TMPDIR:-/tmp}/il-$plugin.XXXXXX")
    trap 'rm -rf "$dir"' EXIT
    sed -e "s/8080/0/; /^http/s/\$/ admin = { listen = \"127.0.0.1:0\"; };/" \
        -e "s|/var/lib/ingestlayer|$dir|" "$here/$plugin.conf" > "$dir/good.conf"
    check "$dir/good.conf" || fail "the example is refused: $(cat "$dir/out")"
}

# documents OPTION...: the plugin has these, and so has its manual
documents() {
    for option in "$@"; do
        "$IL_BUILDDIR/ingestlayer" plugins "$plugin" | grep -q "^ *$option: " ||
            fail "no option $option"
        grep -q "^\.It Ic $option\$" "$here/$plugin.5" || fail "$option is not in the manual"
    done
}
