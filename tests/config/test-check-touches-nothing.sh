#!/bin/sh
# SPDX-License-Identifier: MIT
# check leaves no trace, whatever the config asks for.
. "$IL_SRCDIR/tests/config/lib.sh"
needs sdk.event
cat > a.conf <<END
state_dir = "$dir/state";
http = { listen = "127.0.0.1:0"; };
admin = { listen = "127.0.0.1:0"; };
sources = ( { name = "app"; plugin = "sdk.event"; keys = ( "k" ); } );
pipelines = ( { name = "p"; sources = ( { source = "app"; } );
    destinations = ( { plugin = "destination.null"; out = "$dir/out"; } ); },
  { name = "q"; status = "draft"; sources = ( { source = "app"; } );
    destinations = ( { plugin = "destination.null"; } ); } );
END
: > want.txt
before=$(ls)
says want.txt "$il" check -c a.conf
exits 0
[ "$(cat out.txt)" = 'a.conf: fine: 1 source, 2 pipelines (1 draft), 1 lane' ] ||
    { cat out.txt; status=1; }
rm -f out.txt err.txt diff.txt
after=$(ls)
[ "$before" = "$after" ] && exit $status
echo "before: $before"
echo "after: $after"
exit 1
