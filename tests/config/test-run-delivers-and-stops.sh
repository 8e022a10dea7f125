#!/bin/sh
# SPDX-License-Identifier: MIT
# The whole way without a database: emitted by a source, filtered, delivered,
# shown by status; SIGTERM leaves with 0 and a second start goes on.
. "$IL_SRCDIR/tests/config/lib.sh"
. "$IL_SRCDIR/tests/lib/daemon.sh"
needs filter.match
admin=$(free_port)
cat > a.conf <<END
state_dir = "$dir/state";
http = { listen = "127.0.0.1:0"; };
admin = { listen = "127.0.0.1:$admin"; };
entities = { map_size = "64MiB"; }; # valgrind cannot map 64 GiB
sources = ( { name = "list"; plugin = "source.list"; repeat = 100;
              events = ( { type = "t"; payload = "{\"x\":1}"; },
                         { type = "t"; payload = "{\"x\":2}"; } ); } );
pipelines = ( { name = "p"; sources = ( { source = "list"; } );
    steps = ( { plugin = "filter.match"; where = "x == 1"; } );
    destinations = ( { plugin = "destination.null"; out = "$dir/out";
                       outcomes = ( "retry", "error", "ok" ); } ); } );
END

# delivered N: wait for so many lines
delivered() {
    tries=0
    until [ "$(wc -l 2>/dev/null < out)" = "$1" ]; do
        tries=$((tries + 1))
        [ $tries -gt $((400 * ${IL_PATIENCE-1})) ] && {
            echo "delivered: expected $1, got $(wc -l < out)"
            cat log.txt
            status=1
            return
        }
        sleep 0.05
    done
}

daemon_start a.conf "http://127.0.0.1:$admin" log.txt || exit 1
delivered 100
"$il" status -c a.conf > status.txt
grep -q '^p/destination.null  *running  *200  *0  ' status.txt || {
    echo "status shows another picture:"
    cat status.txt
    status=1
}
curl -s "http://127.0.0.1:$admin/metrics" > metrics.txt
for line in 'ingestlayer_events_delivered_total{lane="p/destination.null"} 100' \
    'ingestlayer_plugin_settled_total{plugin_instance="source \"list\" (source.list)"} 100'; do
    grep -qxF "$line" metrics.txt || {
        echo "the metrics lack: $line"
        grep -E 'delivered|settled' metrics.txt
        status=1
    }
done
"$il" run -c a.conf 2> second.txt && status=1
grep -q "state_dir $dir/state is in use by process $DAEMON_PID" second.txt || {
    echo "the second start says:"
    cat second.txt
    status=1
}
daemon_stop || { echo "exit code after SIGTERM: $?"; status=1; }
[ -e state/control ] && echo "the control socket is still there" && status=1

# Once more: 100 new events, none of the old ones again.
daemon_start a.conf "http://127.0.0.1:$admin" log.txt || exit 1
delivered 200
daemon_stop || status=1
[ "$(cut -d' ' -f1 out | sort -u | wc -l)" = 200 ] || {
    echo "an event was delivered twice"
    status=1
}
exit $status
