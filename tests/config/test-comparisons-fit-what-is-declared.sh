#!/bin/sh
# SPDX-License-Identifier: MIT
# A comparison that the declared types make the same for every event is warned
# of, where nothing else can arrive.
. "$IL_SRCDIR/tests/config/lib.sh"
needs sdk.event filter.match
cat > a.conf <<'END'
events = ( { type = "t";
             fields = ( { name = "n"; type = "integer"; },
                        { name = "plan"; type = "string"; },
                        { name = "paid"; type = "boolean"; } ); } );
sources = ( { name = "app"; plugin = "sdk.event"; keys = ( "k" ); } );
pipelines = ( { name = "p";
    sources = ( { source = "app"; match = "t"; } );
    steps = ( { plugin = "filter.match"; where = "plan == free and n == five"; },
              { plugin = "filter.match"; where = "plan < 5 or paid in {yes, no*}"; },
              { plugin = "filter.match"; where = "n in {five, 5} and n == null and number(plan) > 5"; },
              { plugin = "filter.match"; where = "n > $event.payload.plan and len(plan) == 3"; } );
    destinations = ( { plugin = "destination.null"; } );
} );
END
same="which is never equal to, less or greater than what it is compared with here: this is the same for every event"
cat > want.txt <<END
a.conf:8: warning: pipeline "p", step 1 (filter.match): where: "n" is declared as "integer", $same
    plan == free and n == five
                     ^
a.conf:9: warning: pipeline "p", step 2 (filter.match): where: "plan" is declared as "string", $same
    plan < 5 or paid in {yes, no*}
    ^
a.conf:9: warning: pipeline "p", step 2 (filter.match): where: "paid" is declared as "boolean", $same
    plan < 5 or paid in {yes, no*}
                ^
END
checks want.txt a.conf
exits 0

# Others may be of another type.
sed 's/plugin = "sdk.event";/& undeclared = "accept";/' a.conf > b.conf
: > want.txt
checks want.txt b.conf
exits 0
exit $status
