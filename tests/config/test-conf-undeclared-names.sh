#!/bin/sh
# SPDX-License-Identifier: MIT
# Fields and event types that nothing declares are found, where nothing else
# can arrive.
. "$IL_SRCDIR/tests/config/lib.sh"
needs sdk.event filter.match
cat > a.conf <<'END'
events = ( { type = "feature.used";
             fields = ( { name = "feature"; type = "string"; },
                        { name = "plan"; type = "string"; } ); } );
sources = ( { name = "app"; plugin = "sdk.event"; keys = ( "k" ); } );
pipelines = ( { name = "p";
    sources = ( { source = "app"; match = "feature.use"; },
                { source = "app"; match = "feature.*"; } );
    steps = ( { plugin = "filter.match";
                where = "plan == free and featur in {a}"; } );
    destinations = ( { plugin = "destination.null"; when = "plann == x"; } );
} );
END
cat > want.txt <<'END'
a.conf:6: pipeline "p": sources #1.match: no declared event type fits "feature.use", and the source refuses others; did you mean "feature.used"?
a.conf:9: pipeline "p", step 1 (filter.match): where: no event that arrives here declares the field "featur"; did you mean "feature"?
    plan == free and featur in {a}
                     ^
a.conf:10: warning: pipeline "p", destination destination.null: when: no event that arrives here declares the field "plann"; did you mean "plan"?
    plann == x
    ^
END
says want.txt "$il" check -c a.conf
exits 1

# A source that takes undeclared events, or a type that takes undeclared
# fields, makes all of that possible.
sed 's/plugin = "sdk.event";/& undeclared = "accept";/' a.conf > b.conf
: > want.txt
says want.txt "$il" check -c b.conf
exits 0
sed 's/type = "feature.used";/& unknown = "allow";/
     s/"feature.use"/"feature.used"/' a.conf > c.conf
says want.txt "$il" check -c c.conf
exits 0
exit $status
