#!/bin/sh
# SPDX-License-Identifier: MIT
# A stop cancels a source, lets it push out what it has, takes nothing more of
# it, settles all that it has emitted, and only then calls its stop().
. "$IL_SRCDIR/tests/config/lib.sh"
. "$IL_SRCDIR/tests/lib/daemon.sh"
admin=$(free_port)
cat > a.conf <<END
state_dir = "$dir/state";
http = { listen = "127.0.0.1:0"; };
admin = { listen = "127.0.0.1:$admin"; };
entities = { map_size = "64MiB"; }; # valgrind cannot map 64 GiB
sources = ( { name = "count"; plugin = "source.count"; } );
pipelines = ( { name = "p"; sources = ( { source = "count"; } );
    destinations = ( { plugin = "destination.null"; } ); } );
END
for round in 1 2 3 4 5; do
    daemon_start a.conf "http://127.0.0.1:$admin" log.txt || exit 1
    sleep 0.1
    daemon_stop || { echo "exit code after SIGTERM: $?"; status=1; }
    sed -n 's/.*(source.count): \(flush\|stop\): //p' log.txt > said.txt
    printf 'cancelled 1, with time\n' > want.txt
    sed -n '2s/^nothing is taken, \([0-9]*\) of \1 settled$/&/p' said.txt >> want.txt
    [ "$(wc -l < want.txt)" = 2 ] && cmp -s want.txt said.txt || {
        echo "round $round: it said"
        cat said.txt
        status=1
    }
    ! grep -E 'error|after the stop' log.txt || status=1
    rm -f log.txt
done
exit $status
