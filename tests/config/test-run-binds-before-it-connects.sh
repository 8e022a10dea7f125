#!/bin/sh
# SPDX-License-Identifier: MIT
# A start that cannot have its address, which is known only once it is the user
# of the config, has not gone to the database yet.
. "$IL_SRCDIR/tests/config/lib.sh"
needs sdk.event warehouse.pg
user=
chmod 0755 "$dir"
mkdir -m 0555 closed
[ "$(id -u)" = 0 ] && user='user = "nobody";'
python3 - <<'END' > port 2> connected &
import socket, sys
s = socket.create_server(("127.0.0.1", 0))
print(s.getsockname()[1], flush=True)
s.accept()
print("somebody connects", file=sys.stderr, flush=True)
END
server=$!
trap 'kill $server 2>/dev/null; rm -rf "$dir"' EXIT
until [ -s port ]; do sleep 0.1; done
cat > a.conf <<END
state_dir = "$dir/state"; $user
http = { listen = "unix:$dir/closed/gate"; };
admin = { listen = "127.0.0.1:0"; };
sources = ( { name = "app"; plugin = "sdk.event"; keys = ( "env:KEY" ); } );
pipelines = ( { name = "p"; sources = ( { source = "app"; } );
  destinations = ( { plugin = "warehouse.pg"; table = "t";
    connection = "host=127.0.0.1 port=$(cat port) dbname=x"; } ); } );
END
KEY=sesame timeout 10 "$il" run -c a.conf 2> log && echo "it runs" && status=1
grep -q "gate: cannot listen on \"unix:$dir/closed/gate\"" log || {
    cat log
    status=1
}
sleep 0.2
[ -s connected ] && { cat connected log; status=1; }
exit $status
