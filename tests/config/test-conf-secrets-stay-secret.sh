#!/bin/sh
# SPDX-License-Identifier: MIT
# What is secret, or stands elsewhere, is in no message, in no list of
# processes, and in no log.
. "$IL_SRCDIR/tests/config/lib.sh"
. "$IL_SRCDIR/tests/lib/daemon.sh"
needs sdk.event filter.match
printf 'hunter2-in-a-file\n' > key
chmod 0644 key
HUNTER="hunter2 = in the environment"
export HUNTER
cat > a.conf <<'END'
sources = ( { name = "app"; plugin = "sdk.event"; keys = ( "file:key", "file:gone", "env:IL_GONE", "hunter2-plain" ); } );
pipelines = ( { name = "p"; sources = ( { source = "app"; } );
    steps = ( { plugin = "filter.match"; where = "env:HUNTER"; } );
    destinations = ( { plugin = "destination.null"; delay = "env:HUNTER"; } ); } );
END
cat > want.txt <<'END'
a.conf: state_dir: is required to run: the directory for what must survive a restart
a.conf:1: warning: source "app" (sdk.event): keys #1: the file with this secret can be read by every user; chmod 0640 it
a.conf:1: source "app" (sdk.event): keys #2: cannot read the file gone: No such file or directory
a.conf:1: source "app" (sdk.event): keys #3: the environment variable IL_GONE is not set
a.conf:4: pipeline "p", destination destination.null: delay: expected a duration with its unit (ms, s, m, h, d, w), like "30s"
END
"$il" check -c a.conf 2>err.txt
# How the expression is worded is not our matter here, only that it is refused
# without being shown.
grep -v 'step 1 (filter.match): where: ' err.txt > rest.txt
grep -q 'step 1 (filter.match): where: ' err.txt || {
    echo "the expression was not refused"
    status=1
}
diff want.txt rest.txt || status=1
grep -n hunter2 err.txt && echo "a secret was shown" && status=1

# The running daemon.
chmod 0600 key
gate=$(free_port)
admin=$(free_port)
cat > b.conf <<END
state_dir = "$dir/state";
entities = { map_size = "64MiB"; };
log_level = "debug";
http = { listen = "127.0.0.1:$gate"; };
admin = { listen = "127.0.0.1:$admin"; };
sources = ( { name = "app"; plugin = "sdk.event"; keys = ( "file:key" ); } );
END
daemon_start b.conf "http://127.0.0.1:$admin" log.txt || exit 1
for key in wrong hunter2-in-a-file; do
    curl -s -o /dev/null -H "Authorization: Bearer $key" \
        -H 'Content-Type: application/json' -d '{"type":"a","payload":{}}' \
        "http://127.0.0.1:$gate/v1/ingest"
done
curl -s "http://127.0.0.1:$admin/metrics" > metrics.txt
"$il" status -c b.conf --json > status.txt
tr '\0' ' ' < "/proc/$DAEMON_PID/cmdline" > cmdline.txt
daemon_stop
grep -n hunter2 log.txt metrics.txt status.txt cmdline.txt &&
    echo "a secret was shown" && status=1
grep -rq hunter2 state && echo "a secret is in the state_dir" && status=1
exit $status
