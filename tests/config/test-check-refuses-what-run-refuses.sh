#!/bin/sh
# SPDX-License-Identifier: MIT
# What keeps a daemon from starting is found by check, in the same words, and
# before run has touched anything.
. "$IL_SRCDIR/tests/config/lib.sh"

# both EXPECTED-FILE CONF: check and run say that, and nothing was made
both() {
    for command in check run; do
        says "$1" timeout 10 "$il" $command -c "$2"
        exits 1
    done
    [ ! -e state ] || { echo "$2: a state_dir was made"; status=1; }
}
rest='http = { listen = "127.0.0.1:0"; }; admin = { listen = "127.0.0.1:0"; };'

: > empty.conf
echo "empty.conf: state_dir: is required to run: the directory for what must\
 survive a restart" > want.txt
both want.txt empty.conf

printf 'state_dir = "state";\n%s\nuser = "no-such-user";\n' "$rest" > user.conf
echo 'user.conf:3: user: there is no user "no-such-user"' > want.txt
both want.txt user.conf
printf 'state_dir = "state";\n%s\ngroup = "no-such-group";\n' "$rest" > group.conf
echo 'group.conf:3: group: there is no group "no-such-group"' > want.txt
both want.txt group.conf

echo "state_dir = \"none/state\"; $rest" > place.conf
echo "place.conf:1: state_dir: cannot make none/state: there is no none to\
 make it in" > want.txt
both want.txt place.conf
echo "state_dir = \"empty.conf\"; $rest" > file.conf
echo 'file.conf:1: state_dir: empty.conf is not a directory' > want.txt
both want.txt file.conf

cat > twice.conf <<'END'
state_dir = "state";
http = { listen = ( "127.0.0.1:8080", "unix:/tmp/a", "[::1]:9600",
                    "127.0.0.1:8080", "unix:/tmp/a" ); };
admin = { listen = ( "localhost:9601", "0.0.0.0:8080", "127.0.0.1:9600" ); };
END
cat > want.txt <<'END'
twice.conf:3: http.listen #4: "127.0.0.1:8080" is taken by "127.0.0.1:8080" at twice.conf:2
twice.conf:3: http.listen #5: "unix:/tmp/a" is taken by "unix:/tmp/a" at twice.conf:2
twice.conf:4: warning: admin.listen #2: "0.0.0.0:8080" is every address: whoever reaches this machine reads its metrics and state; keep them private
twice.conf:4: admin.listen #2: "0.0.0.0:8080" is taken by "127.0.0.1:8080" at twice.conf:2
END
both want.txt twice.conf

# Somebody else listens: on a port, also where ours would be shared by several
# loops, and on a unix socket.
python3 - "$dir" > port <<'END' &
import socket, sys, time
tcp = socket.create_server(("127.0.0.1", 0), reuse_port=True)
unix = socket.socket(socket.AF_UNIX)
unix.bind(sys.argv[1] + "/sock")
unix.listen()
print(tcp.getsockname()[1], flush=True)
time.sleep(60)
END
other=$!
trap 'kill $other; rm -rf "$dir"' EXIT
until [ -s port ]; do sleep 0.1; done
port=$(cat port)
cat > busy.conf <<END
state_dir = "state";
http = { threads = 2; listen = "127.0.0.1:$port"; };
admin = { listen = "unix:$dir/sock"; };
END
cat > want.txt <<END
busy.conf:2: http.listen: cannot listen on "127.0.0.1:$port": Address already in use
busy.conf:3: admin.listen: cannot listen on "unix:$dir/sock": Address already in use
END
both want.txt busy.conf
[ -S sock ] || { echo "the other's socket is gone"; status=1; }

# A daemon on this state_dir has its own addresses, and check may be asked.
free=$(python3 -c 'import socket
s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat > own.conf <<END
state_dir = "state";
http = { listen = "127.0.0.1:$free"; };
admin = { listen = "unix:$dir/admin"; };
END
"$il" run -c own.conf 2> log &
daemon=$!
i=0
until "$il" status -c own.conf >/dev/null 2>&1; do
    i=$((i + 1))
    [ $i -lt 100 ] || { echo "does not start"; cat log; break; }
    sleep 0.1
done
: > want.txt
says want.txt "$il" check -c own.conf
exits 0
grep -q "info  config own.conf, state_dir $dir/state\$" log &&
    grep -q "state_dir $dir/state is new: a first start" log || {
    echo "the log does not say where it starts"
    cat log
    status=1
}
kill $daemon
wait $daemon
timeout 1 "$il" run -c own.conf 2> log
grep -q "info  config own.conf, state_dir $dir/state\$" log || status=1
grep 'first start' log && { echo "it is not"; status=1; }

# Addresses that everybody reaches.
cat > open.conf <<'END'
state_dir = "state";
http = { listen = ( ":0", "127.0.0.1:0" ); };
admin = { listen = ( "[::1]:0", "0.0.0.0:0" ); };
END
cat > want.txt <<'END'
open.conf:2: warning: http.listen #1: ":0" is every address: keys and events cross the network in plain text; use tls, or name the proxy that does in trusted_proxies
open.conf:3: warning: admin.listen #2: "0.0.0.0:0" is every address: whoever reaches this machine reads its metrics and state; keep them private
END
says want.txt "$il" check -c open.conf
exits 0
sed -i '2s/ };$/ trusted_proxies = "10.0.0.1"; };/; 3s/0.0.0.0/127.0.0.1/' open.conf
: > want.txt
says want.txt "$il" check --strict -c open.conf
exits 0

# A key in a config that others can read; where a server is is no key.
echo "state_dir = \"state\"; $rest" > plain.conf
cat >> plain.conf <<'END'
sources = ( { name = "app"; plugin = "sdk.event";
  keys = ( "sesame", "literal:env:x", "env:KEY" ); } );
pipelines = ( { name = "p"; sources = ( { source = "app"; } ); destinations = (
  { plugin = "warehouse.pg"; table = "t"; connection = "host=a dbname=b"; },
  { plugin = "warehouse.pg"; table = "t"; name = "u";
    connection = "postgresql://me@a:5432/b"; },
  { plugin = "warehouse.pg"; table = "t"; name = "v";
    connection = "postgresql://me:pw@a/b"; } ); } );
END
KEY=open
export KEY
if "$il" plugins warehouse.pg >/dev/null 2>&1; then
    said='the file with this secret can be read by every user; chmod 0640 it, or write file:PATH or env:NAME'
    cat > want.txt <<END
plain.conf:3: warning: source "app" (sdk.event): keys #1: $said (it is not the only one in there)
END
    chmod 0644 plain.conf
    says want.txt "$il" check -c plain.conf
    exits 0
    chmod 0640 plain.conf
    : > want.txt
    says want.txt "$il" check -c plain.conf
    exits 0
fi

# A reference without its '$' is the same text in every row.
if "$il" plugins warehouse.pg >/dev/null 2>&1; then
    echo "state_dir = \"state\"; $rest" > bare.conf
    cat >> bare.conf <<'END'
sources = ( { name = "app"; plugin = "sdk.event"; keys = ( "env:KEY" ); } );
pipelines = ( { name = "p"; sources = ( { source = "app"; } ); destinations = (
  { plugin = "warehouse.pg"; table = "t"; connection = "dbname=b";
    columns = ( { name = "a"; value = "event.id"; },
      { name = "b"; value = "$event.id"; },
      { name = "c"; value = "event. of {{ $event.id }}"; } ); } ); } );
END
    cat > want.txt <<'END'
bare.conf:5: warning: pipeline "p", destination warehouse.pg: columns #1.value: there is no reference in it, so all get this text; write $event.id for the field
    event.id
    ^
END
    says want.txt "$il" check -c bare.conf
    exits 0
fi

# A warning is fatal where that is asked for.
needs sdk.event
echo sesame > key
chmod 0644 key
echo "state_dir = \"state\"; $rest
sources = ( { name = \"app\"; plugin = \"sdk.event\"; keys = ( \"file:key\" );\
 } );" > warn.conf
said='can be read by every user; chmod 0640 it'
"$il" check -c warn.conf 2>err.txt || { echo "a warning fails"; status=1; }
grep -q "$said" err.txt || { cat err.txt; status=1; }
"$il" check --strict -c warn.conf 2>err.txt && { echo "not strict"; status=1; }
grep -q 'warn.conf: not fine: --strict, and there is a warning' err.txt ||
    { cat err.txt; status=1; }
chmod 0600 key
: > want.txt
says want.txt "$il" check --strict -c warn.conf
exits 0
exit $status
