#!/bin/sh
# SPDX-License-Identifier: MIT
# A stop waits no longer than `drain`, a second signal not even that; what was
# left over comes after the next start.
. "$IL_SRCDIR/tests/config/lib.sh"
. "$IL_SRCDIR/tests/lib/daemon.sh"
admin=$(free_port)
cat > a.conf <<END
state_dir = "$dir/state";
drain = "1s";
http = { listen = "127.0.0.1:0"; };
admin = { listen = "127.0.0.1:$admin"; };
entities = { map_size = "64MiB"; }; # valgrind cannot map 64 GiB
sources = ( { name = "list"; plugin = "source.list"; repeat = 20;
              events = ( { type = "t"; } ); } );
pipelines = ( { name = "p"; sources = ( { source = "list"; } );
    destinations = ( { plugin = "destination.null"; out = "$dir/out";
                       delay = "400ms"; batch = { events = 1; }; } ); } );
END
daemon_start a.conf "http://127.0.0.1:$admin" log.txt || exit 1
sleep 0.5
begin=$(date +%s%N)
daemon_stop || { echo "exit code after SIGTERM: $?"; status=1; }
took=$((($(date +%s%N) - begin) / 1000000))
[ $took -lt 4000 ] || { echo "the stop took $took ms"; status=1; }
grep -q 'will be delivered after the next start' log.txt || {
    echo "nothing is said of what is left"
    cat log.txt
    status=1
}
rest=$(wc -l < out)
[ "$rest" -lt 20 ] || { echo "there was nothing left to wait for"; exit 1; }

# Now with a long drain and two signals.
sed -i 's/drain = "1s"/drain = "60s"/; s/repeat = 20/repeat = 0/' a.conf
daemon_start a.conf "http://127.0.0.1:$admin" log.txt || exit 1
begin=$(date +%s%N)
kill "$DAEMON_PID"
sleep 0.3
kill "$DAEMON_PID"
wait "$DAEMON_PID"
code=$?
took=$((($(date +%s%N) - begin) / 1000000))
[ $code = 1 ] || { echo "exit code after two signals: $code"; status=1; }
[ $took -lt 3000 ] || { echo "two signals took $took ms"; status=1; }

sed -i 's/delay = "400ms"/delay = "0s"/' a.conf
daemon_start a.conf "http://127.0.0.1:$admin" log.txt || exit 1
tries=0
until [ "$(cut -d' ' -f1 out | sort -u | wc -l)" = 20 ] || [ $tries = $((200 * ${IL_PATIENCE-1})) ]; do
    tries=$((tries + 1))
    sleep 0.05
done
daemon_stop
[ "$(cut -d' ' -f1 out | sort -u | wc -l)" = 20 ] || {
    echo "events were lost: $(cut -d' ' -f1 out | sort -u | wc -l) of 20"
    status=1
}
exit $status
