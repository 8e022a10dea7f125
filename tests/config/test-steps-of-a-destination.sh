#!/bin/sh
# SPDX-License-Identifier: MIT
# Steps of a destination are checked as those of a pipeline; its `when` comes
# before them and knows nothing of what they attach.
. "$IL_SRCDIR/tests/config/lib.sh"
needs sdk.event filter.match enrich.entity
cat > a.conf <<'END'
sources = ( { name = "app"; plugin = "sdk.event"; keys = ( "k" ); } );
pipelines = ( { name = "p";
    sources = ( { source = "app"; match = "*"; } );
    steps = ( { plugin = "filter.match"; name = "null.2"; where = "n > 1"; } );
    destinations = (
      { plugin = "destination.null"; name = "null"; when = "$entity.user.plan == pro";
        steps = ( { plugin = "enrich.entity"; kind = "user"; key = "$event.payload.user_id"; },
                  { plugin = "filter.match"; where = "$entity.user.plan == pro"; },
                  { plugin = "filter.match"; were = "n > 1"; } ); },
      { plugin = "destination.null"; name = "other";
        steps = ( { plugin = "filter.match"; where = "$entity.user.plan == pro"; } ); } );
} );
END
cat > want.txt <<'END'
a.conf:4: pipeline "p", step null.2 (filter.match): name: the step at a.conf:8 is called "null.2", too
a.conf:6: pipeline "p", destination null (destination.null): when: no step before this attaches an entity of the kind "user"
    $entity.user.plan == pro
    ^
a.conf:9: pipeline "p", destination null, step null.3 (filter.match): were: no such option; did you mean "where"?
a.conf:9: pipeline "p", destination null, step null.3 (filter.match): where: is required and missing: Expression an event must satisfy to continue.
a.conf:11: pipeline "p", destination other, step other.1 (filter.match): where: no step before this attaches an entity of the kind "user"
    $entity.user.plan == pro
    ^
END
checks want.txt a.conf
exits 1

sed -e 's/name = "null.2"; //; s/were/where/; s/name = "null"; when = [^;]*;/name = "null";/' \
    -e '/name = "other"/s/"other";/"other"; } ); } );/; /name = "other"/q' a.conf > b.conf
: > want.txt
checks want.txt b.conf
exits 0
exit $status
