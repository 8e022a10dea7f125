# SPDX-License-Identifier: MIT
"""A destination whose database is away holds up no other lane."""
from system import HEAD, System, equal, event, eventually

CONF = HEAD + """
pipelines = (
  { name = "usage";
    sources = ( { source = "app"; } );
    destinations = (
      { plugin = "warehouse.pg"; name = "here"; connection = "env:DSN"; table = "t.rows";
        columns = ( { name = "event_id"; value = "$event.id"; }, { name = "n"; value = "$event.payload.n"; } ); },
      { plugin = "warehouse.pg"; name = "away"; connection = "host=%(base)s/nowhere"; table = "t.rows";
        columns = ( { name = "event_id"; value = "$event.id"; } ); } ); }
);
"""
with System(CONF) as s:
    s.post([event(i) for i in range(300)])
    eventually(lambda: s.pg.sql("select count(*) from t.rows") == "300", "the lane that can deliver does")
    equal(s.lane("usage/away")["lag_events"], 300, "lag of the other")
    status, text, _ = s.http("GET", "/readyz", admin=True, key=None)
    equal(status, 200, "/readyz (%s): the gate accepts" % text)
