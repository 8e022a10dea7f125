#!/bin/sh
# SPDX-License-Identifier: MIT
# A config that was broken after the start is when one wants to look: commands
# that ask the daemon do so by its state_dir.
. "$IL_SRCDIR/tests/config/lib.sh"
needs sdk.event
cat > a.conf <<END
state_dir = "$dir/state";
http = { listen = "127.0.0.1:0"; };
admin = { listen = "127.0.0.1:0"; };
sources = ( { name = "app"; plugin = "sdk.event"; keys = ( "sesame" ); } );
END
chmod 0600 a.conf
"$il" run -c a.conf 2> log &
daemon=$!
trap 'kill $daemon 2>/dev/null; rm -rf "$dir"' EXIT
i=0
until "$il" status -c a.conf >out.txt 2>&1; do
    i=$((i + 1))
    [ $i -lt 100 ] || { echo "does not start"; cat log out.txt; exit 1; }
    sleep 0.1
done
echo 'sources = ( {' >> a.conf

for command in status reload 'emit' 'dead list'; do
    # shellcheck disable=SC2086 # two words are two arguments
    "$il" $command -c a.conf </dev/null >out.txt 2>&1 && {
        echo "$command reads a broken file"
        status=1
    }
    case $command in
    dead*) continue ;;
    esac
    grep -q -- 'can be asked without its config: --state-dir DIR' out.txt || {
        echo "$command does not say how else:"
        cat out.txt
        status=1
    }
done
: > want.txt
says want.txt "$il" status --state-dir state
exits 0
grep -q 'no lanes' out.txt || { cat out.txt; status=1; }
"$il" reload -s state >out.txt 2>&1 && { echo "reload takes a broken file"; status=1; }
grep -q 'refused; what runs goes on' out.txt || { cat out.txt; status=1; }
says want.txt "$il" dead list -s state
exits 0
says want.txt "$il" lane list -s state
exits 0
"$il" lane list -c a.conf 2>&1 | grep -q -- 'list can do without the config: --state-dir DIR' ||
    { echo "lane list does not say how else"; status=1; }
says want.txt "$il" emit --state-dir state order.paid '{"n":1}'
exits 0
grep -q '^accepted evt_' out.txt || { cat out.txt; status=1; }
echo "ingestlayer: no daemon runs on state_dir none" > want.txt
says want.txt "$il" status -s none
exits 1
exit $status
