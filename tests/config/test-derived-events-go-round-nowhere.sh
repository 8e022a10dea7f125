#!/bin/sh
# SPDX-License-Identifier: MIT
# What steps make is a source of other pipelines: of one that there is, that makes
# such events, and never of its own, however far round.
. "$IL_SRCDIR/tests/config/lib.sh"
needs sdk.event throttle
cat > a.conf <<'END'
sources = ( { name = "app"; plugin = "sdk.event"; keys = ( "k" ); } );
pipelines = (
  { name = "self"; sources = ( { source = "derived/self"; } ); destinations = ( { plugin = "destination.null"; } ); },
  { name = "one"; sources = ( { source = "derived/three"; } ); destinations = ( { plugin = "destination.null"; } ); },
  { name = "two"; sources = ( { source = "derived/one"; } ); destinations = ( { plugin = "destination.null"; } ); },
  { name = "three"; sources = ( { source = "derived/two"; } ); destinations = ( { plugin = "destination.null"; } ); },
  { name = "lost"; sources = ( { source = "derived/tow"; } ); destinations = ( { plugin = "destination.null"; } ); }
);
END
cat > want.txt <<'END'
a.conf:3: pipeline "self": sources #1.source: a pipeline takes nothing that its own steps make
a.conf:4: pipeline "one": sources #1.source: what the steps of "one" make comes to "three", too: events would go round and round
a.conf:5: pipeline "two": sources #1.source: what the steps of "two" make comes to "one", too: events would go round and round
a.conf:6: pipeline "three": sources #1.source: what the steps of "three" make comes to "two", too: events would go round and round
a.conf:7: pipeline "lost": sources #1.source: there is no pipeline "tow"; did you mean "derived/two"?
END
checks want.txt a.conf
exits 1

cat > b.conf <<'END'
sources = ( { name = "app"; plugin = "sdk.event"; keys = ( "k" ); } );
pipelines = (
  { name = "errors"; sources = ( { source = "app"; } );
    steps = ( { plugin = "throttle"; max = 1; window = "1m"; summary = true; } );
    destinations = ( { plugin = "destination.null"; } ); },
  { name = "told"; sources = ( { source = "derived/errors"; match = "throtle.*"; } );
    destinations = ( { plugin = "destination.null"; } ); }
);
END
cat > want.txt <<'END'
b.conf:6: pipeline "told": sources #1.match: no step of that pipeline makes events that fit "throtle.*"
END
checks want.txt b.conf
exits 1

sed 's/throtle/throttle/' b.conf > c.conf
: > want.txt
checks want.txt c.conf
exits 0
exit $status
