#!/bin/sh
# SPDX-License-Identifier: MIT
# A source that asks il_cancelled() and nothing else ends when the host stops.
. "$IL_SRCDIR/tests/config/lib.sh"
. "$IL_SRCDIR/tests/lib/daemon.sh"
needs filter.match
admin=$(free_port)
cat > a.conf <<END
state_dir = "$dir/state";
http = { listen = "127.0.0.1:0"; };
admin = { listen = "127.0.0.1:$admin"; };
entities = { map_size = "64MiB"; }; # valgrind cannot map 64 GiB
sources = ( { name = "list"; plugin = "source.list"; rate = "1000/s";
              repeat = 9223372036854775807L; events = ( { type = "t"; } ); } );
pipelines = ( { name = "p"; sources = ( { source = "list"; } );
    destinations = ( { plugin = "destination.null"; } ); } );
END
daemon_start a.conf "http://127.0.0.1:$admin" log.txt || exit 1
sleep 0.3
daemon_stop || { echo "exit code after SIGTERM: $?"; cat log.txt; status=1; }
exit $status
