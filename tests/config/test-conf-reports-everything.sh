#!/bin/sh
# SPDX-License-Identifier: MIT
# All that is wrong is reported at once, in the order of the file, with the
# plugin's place in it.
. "$IL_SRCDIR/tests/config/lib.sh"
needs sdk.event filter.match
unset IL_NOT_SET
cat > a.conf <<'END'
http = { listen = 8080; max_body = "4Mib"; };
events = (
  { type = "a"; fields = ( { name = "x"; type = "nummber"; },
                           { name = "y"; type = "string"; },
                           { name = "y"; type = "string"; } ); },
  { type = "a"; }
);
sources = (
  { name = "app"; plugin = "sdk.event"; keys = ( "env:IL_NOT_SET" );
    undeclared = "accept"; },
  { name = "app"; plugin = "sdk.evnt"; whatever = 1; },
  { name = "b ad"; plugin = "filter.match"; }
);
pipelines = (
  { name = "orders"; statis = "x";
    sources = ( { source = "apq"; match = "feature.*"; } );
    steps = (
      { plugin = "filter.match"; where = "amount >= and currency == \"EUR\""; odd = 1; },
      { plugin = "filter.match"; name = "big"; wher = "a == 1"; } );
    destinations = (
      { plugin = "destination.null"; when = "x = 1";
        batch = { events = 0; byts = 1; } },
      { plugin = "destination.null"; delay = "70s"; } ); },
  { name = "orders"; sources = ( { source = "app"; } ); destinations = (); }
);
END
cat > want.txt <<'END'
a.conf: state_dir: is required to run: the directory for what must survive a restart
a.conf:1: http.listen: expected a text in double quotes, found a whole number
a.conf:1: http.max_body: expected a size with its unit (B, KiB, MiB, GiB, TiB, kB, MB, GB, TB), like "64MiB", found "4Mib"
a.conf:3: events #1.fields #1.type: "nummber" is not one of: string, number, integer, boolean, object, array, timestamp; did you mean "number"?
a.conf:5: events #1.fields #3.name: the field "y" is declared twice
a.conf:6: events #2.type: "a" is already declared at a.conf:3
a.conf:9: source "app" (sdk.event): keys #1: the environment variable IL_NOT_SET is not set
a.conf:11: source "app" (sdk.evnt): plugin: there is no plugin "sdk.evnt"; did you mean "sdk.event"?
a.conf:11: source "app" (sdk.evnt): name: "app" is already used at a.conf:9
a.conf:12: source "b ad" (filter.match): plugin: "filter.match" is a step and cannot be used as a source
a.conf:12: source "b ad" (filter.match): name: a name has 1 to 64 letters, digits, '.', '_' or '-', and begins with a letter or digit
a.conf:15: pipeline "orders": statis: no such option; did you mean "status"?
a.conf:16: pipeline "orders": sources #1.source: there is no source "apq"; did you mean "app"?
a.conf:18: pipeline "orders", step 1 (filter.match): odd: no such option; there are: plugin, name, where
a.conf:18: pipeline "orders", step 1 (filter.match): where: expected a value
    amount >= and currency == "EUR"
              ^
a.conf:19: pipeline "orders", step big (filter.match): wher: no such option; did you mean "where"?
a.conf:19: pipeline "orders", step big (filter.match): where: is required and missing: Expression an event must satisfy to continue.
a.conf:21: pipeline "orders", destination destination.null: when: '=' is no comparison; write ==
    x = 1
      ^
a.conf:22: pipeline "orders", destination destination.null: batch.byts: no such option; did you mean "bytes"?
a.conf:22: pipeline "orders", destination destination.null: batch.events: expected 1 to 1000000, found 0
a.conf:23: pipeline "orders", destination destination.null: delay: expected 0ms to 1m, found 70s
a.conf:23: pipeline "orders", destination destination.null: two destinations of this pipeline are called "destination.null" (see a.conf:21); give them a name each
a.conf:24: pipeline "orders": destinations: needs at least one element
a.conf:24: pipeline "orders": name: "orders" is already used at a.conf:15
END
says want.txt "$il" check -c a.conf
exits 1
# The daemon says the same.
says want.txt "$il" run -c a.conf
exits 1
exit $status
