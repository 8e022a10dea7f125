#!/bin/sh
# SPDX-License-Identifier: MIT
# The shipped config and the examples of the manual load.
T=$(mktemp -d) || exit 99
trap 'rm -rf "$T"' EXIT
dir=$IL_SRCDIR/plugins/webhook.in
TOKEN=token SECRET=s NEW_SECRET=s OLD_SECRET=s SLACK_SIGNING_SECRET=s
GITHUB_HOOK_TOKEN=token GITHUB_HOOK_SECRET=s
export TOKEN SECRET NEW_SECRET OLD_SECRET SLACK_SIGNING_SECRET \
    GITHUB_HOOK_TOKEN GITHUB_HOOK_SECRET

host='http = { listen = "127.0.0.1:0"; }; admin = { listen = "127.0.0.1:0"; };'
loads() {
    { cat "$1"; echo "state_dir = \"$T/state\"; $host"; } >"$T/il.conf"
    "$IL_BUILDDIR/ingestlayer" check -c "$T/il.conf" >"$T/out" 2>&1 || {
        cat "$T/il.conf" "$T/out" >&2
        exit 1
    }
}
loads "$dir/webhook.in.conf"
awk -v dir="$T" '
    /^\.Bd -literal/ { n++; on = 1; next }
    /^\.Ed/ { on = 0 }
    on { print > (dir "/" n ".block") }' "$dir/webhook.in.5"
seen=0
for block in "$T"/*.block; do
    case $(head -n 1 "$block") in
    '{ name ='*) { echo 'sources = ('; cat "$block"; echo ');'; } >"$block.conf" ;;
    'sources ='*) cp "$block" "$block.conf" ;;
    *) continue ;;
    esac
    loads "$block.conf"
    seen=$((seen + 1))
done
[ $seen = 4 ] || { echo "expected 4 examples in the manual, found $seen" >&2; exit 1; }
