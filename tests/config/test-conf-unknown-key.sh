#!/bin/sh
# SPDX-License-Identifier: MIT
# An unknown key is named with its place and the nearest valid key.
. "$IL_SRCDIR/tests/config/lib.sh"
cat > a.conf <<'END'
state_dri = "/nowhere";
http = {
  tiemout = "30s";
};
zzzzzz = 1;
END
cat > want.txt <<'END'
a.conf: state_dir: is required to run: the directory for what must survive a restart
a.conf:1: state_dri: no such option; did you mean "state_dir"?
a.conf:3: http.tiemout: no such option; did you mean "timeout"?
a.conf:5: zzzzzz: no such option; there are: state_dir, http, admin, spool, idempotency, entities, state_memory, plugin_dir, include_dir, log_level, drain, user, group, core_dumps, events, sources, pipelines, tests
END
says want.txt "$il" check -c a.conf
exits 1
exit $status
