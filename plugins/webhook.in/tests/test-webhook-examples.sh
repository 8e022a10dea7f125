#!/bin/sh
# SPDX-License-Identifier: MIT
# The shipped config and the examples of the manual load.
T=$(mktemp -d) || exit 99
trap 'rm -rf "$T"' EXIT
dir=$IL_SRCDIR/plugins/webhook.in
TOKEN=token SECRET=s NEW_SECRET=s OLD_SECRET=s SLACK_SIGNING_SECRET=s
WHSEC=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw
GITHUB_HOOK_TOKEN=token GITHUB_HOOK_SECRET=s
export WHSEC TOKEN SECRET NEW_SECRET OLD_SECRET SLACK_SIGNING_SECRET \
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
# the least that each scheme needs is there for each
"$IL_BUILDDIR/ingestlayer" plugins --dump webhook.in | grep 'ingestlayer|' \
    | tr -cs 'a-z|' '\n' | grep '|' | tr '|' '\n' | sort -u >"$T/schemes"
[ -s "$T/schemes" ] || { echo "no schemes in the option table" >&2; exit 1; }
while read -r scheme; do
    grep -q "scheme = \"$scheme\"" "$dir/webhook.in.5" || {
        echo "no example of $scheme in the manual" >&2
        exit 1
    }
done <"$T/schemes"
[ $seen = 5 ] || { echo "expected 5 examples in the manual, found $seen" >&2; exit 1; }
