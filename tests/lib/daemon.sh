# SPDX-License-Identifier: MIT
# For shell tests and the demo: run the daemon of the build tree.
#   free_port                     prints a port nobody listens on
#   daemon_start CONF ADMIN LOG   sets DAEMON_PID once /readyz says 200
#   daemon_stop                   SIGTERM, waits; returns its exit code

free_port() {
    python3 "$IL_SRCDIR/tests/lib/ports.py"
}

daemon_start() {
    "$IL_BUILDDIR/ingestlayer" run -c "$1" >"$3" 2>&1 &
    DAEMON_PID=$!
    daemon_tries=0
    until curl -fs -o /dev/null "$2/readyz"; do
        daemon_tries=$((daemon_tries + 1))
        if ! kill -0 "$DAEMON_PID" 2>/dev/null ||
            [ $daemon_tries -gt $((600 * ${IL_PATIENCE-1})) ]; then
            echo "the daemon did not get ready:" >&2
            cat "$3" >&2
            return 1
        fi
        sleep 0.05
    done
}

daemon_stop() {
    [ -n "${DAEMON_PID-}" ] || return 0
    kill "$DAEMON_PID" 2>/dev/null || true
    daemon_status=0
    wait "$DAEMON_PID" || daemon_status=$?
    DAEMON_PID=
    return $daemon_status
}
