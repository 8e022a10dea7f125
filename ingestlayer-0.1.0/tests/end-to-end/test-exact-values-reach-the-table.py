# SPDX-License-Identifier: MIT
"""Numbers and text arrive as they were sent: big integers, 1.10, 4-byte UTF-8;
U+0000 and lone surrogates, which jsonb cannot hold, become U+FFFD."""
from system import HEAD, System, equal

CONF = HEAD + """
pipelines = ( { name = "all"; sources = ( { source = "app"; } );
    destinations = ( { plugin = "warehouse.pg"; connection = "env:DSN"; table = "t.rows";
                       columns = ( { name = "n"; value = "$event.payload.n"; } );
                       payload_column = "payload"; } ); } );
"""
BODY = ('{"type":"t","payload":{"n":123456789012345678901234567890.10,"i":9007199254740993,'
        '"t":"\U0001f600\\u0000\\ud800"}}')
with System(CONF, table="create schema t; create table t.rows (n numeric, payload jsonb)") as s:
    s.post(BODY.encode())
    s.delivered()
    equal(s.pg.sql("select n, payload->>'i', payload->>'t' from t.rows"),
          "123456789012345678901234567890.10|9007199254740993|\U0001f600\ufffd\ufffd", "the row")
