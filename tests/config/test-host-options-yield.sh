#!/bin/sh
# SPDX-License-Identifier: MIT
# Where a plugin has an option that the host has too, the name is the plugin's,
# and the host's is in host = { ... }.  Each instance has a folder of its own,
# says what it does, and ends when it is cancelled.
. "$IL_SRCDIR/tests/config/lib.sh"
. "$IL_SRCDIR/tests/lib/daemon.sh"
needs filter.match
admin=$(free_port)
cat > a.conf <<END
state_dir = "$dir/state";
drain = "1s";
http = { listen = "127.0.0.1:0"; };
admin = { listen = "127.0.0.1:$admin"; };
entities = { map_size = "64MiB"; }; # valgrind cannot map 64 GiB
sources = ( { name = "list"; plugin = "source.list"; host = { burst = 9; rate = "1000/s"; };
              events = ( { type = "t"; payload = "{\"x\":1}"; },
                         { type = "t"; payload = "{\"x\":2}"; } ); } );
pipelines = ( { name = "p"; sources = ( { source = "list"; } );
    destinations = (
        { plugin = "destination.own"; when = 5; batch = "b"; price = 1.10;
          host = { when = "x == 1"; batch = { events = 1; }; }; },
        { plugin = "destination.own"; name = "all"; },
        { plugin = "destination.own"; name = "patient"; patient = true; } ); } );
END

"$il" check -c a.conf || status=1
"$il" plugins destination.own > plugins.txt
grep -qxF '    price: number' plugins.txt || {
    echo "plugins shows:"
    cat plugins.txt
    status=1
}
[ -e state ] && { echo "check made a folder"; status=1; }

lanes=state/instances/lanes/p
# has FILE TEXT: wait until it is that
has() {
    tries=0
    until [ "$(cat "$1" 2>/dev/null)" = "$2" ]; do
        tries=$((tries + 1))
        [ $tries -gt $((400 * ${IL_PATIENCE-1})) ] && {
            echo "$1: expected: $2"
            echo "$1:   actual: $(cat "$1")"
            status=1
            return
        }
        sleep 0.05
    done
}

daemon_start a.conf "http://127.0.0.1:$admin" log.txt || exit 1
has $lanes/destination.own/destination/out 'when 5 batch b price 1.10
{"x":1}'
has $lanes/all/destination/out 'when 0 batch none price none
{"x":1}
{"x":2}'
# The lane whose plugin waits in write() holds up no other: that one said
# nothing of threads.
has $lanes/patient/destination/out 'when 0 batch none price none'
tries=0
until "$il" status -c a.conf > status.txt &&
    grep -qxF 'p/patient: waiting\x0afor \x1b[1mthe end' status.txt; do
    tries=$((tries + 1))
    [ $tries -gt 200 ] && { echo "status shows:"; cat status.txt; status=1; break; }
    sleep 0.05
done
grep -qxF 'p/all: keeps files' status.txt || {
    echo "status shows:"
    cat status.txt
    status=1
}
"$il" status --json -c a.conf | grep -qF '"doing":"keeps files"' || {
    echo "status --json lacks doing"
    status=1
}
curl -s "http://127.0.0.1:$admin/metrics" |
    grep -qxF 'ingestlayer_plugin_written{plugin_instance="pipeline \"p\", destination all (destination.own)",lane="p/all"} 2' || {
    echo "the metrics lack the gauge"
    status=1
}
daemon_stop || { echo "exit code after SIGTERM: $?"; status=1; }
grep -q 'there is a folder before start' log.txt && status=1
# It was cancelled, and what it wrote then counts.
has $lanes/patient/destination/out 'when 0 batch none price none
{"x":1}
{"x":2}'

cat > b.conf <<END
state_dir = "$dir/state";
sources = (
  { name = "a"; plugin = "source.list"; rate = "1/s"; host = { rate = "2/s"; };
    events = ( { type = "t"; } ); },
  { name = "b"; plugin = "source.list"; host = { rat = "2/s"; name = "x"; };
    events = ( { type = "t"; } ); },
  { name = "c"; plugin = "source.list"; host = { rate = "fast"; };
    events = ( { type = "t"; } ); } );
pipelines = ( { name = "p"; sources = ( { source = "a"; } );
  steps = ( { plugin = "filter.match"; name = "2"; where = "x == 1"; },
            { plugin = "filter.match"; where = "x == 1"; } );
  destinations = (
    { plugin = "destination.own"; when = "x == 1"; },
    { plugin = "destination.own"; name = "n"; when = 1; host = { when = "x = 1"; }; } ); } );
END
cat > want.txt <<'END'
b.conf:3: source "a" (source.list): host.rate: is set twice; the first is in b.conf:3
b.conf:5: source "b" (source.list): host.rat: no such option; did you mean "rate"?
b.conf:5: source "b" (source.list): host.name: no such option; there are: was, undeclared, ids, rate, burst, max_undelivered
b.conf:7: source "c" (source.list): host.rate: expected a number of events and a time, like "1000/s", "600/m" or "100/10s", found "fast"
b.conf:10: pipeline "p", step 2 (filter.match): name: the step at b.conf:11 is called "2", too
b.conf:13: pipeline "p", destination destination.own: when: expected a whole number, found a text
b.conf:14: pipeline "p", destination n (destination.own): host.when: '=' is no comparison; write ==
    x = 1
      ^
END
checks want.txt b.conf
exits 1
exit $status
