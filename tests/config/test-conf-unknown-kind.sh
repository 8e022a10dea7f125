#!/bin/sh
# SPDX-License-Identifier: MIT
# A reference to a kind of entity that no step before it attaches is found.
. "$IL_SRCDIR/tests/config/lib.sh"
needs sdk.event filter.match enrich.entity
cat > a.conf <<'END'
sources = ( { name = "app"; plugin = "sdk.event"; keys = ( "k" ); } );
pipelines = ( { name = "p";
    sources = ( { source = "app"; match = "*"; } );
    steps = ( { plugin = "filter.match"; where = "$entity.user.plan == pro"; },
              { plugin = "enrich.entity"; kind = "user"; key = "$event.payload.user_id"; },
              { plugin = "enrich.entity"; kind = "account"; key = "$entity.usr.account"; } );
    destinations = ( { plugin = "destination.null"; when = "$entity.acount.paid == true"; },
                     { plugin = "destination.null"; name = "fine";
                       when = "$entity.account.paid == true and $entity.user.plan == pro"; } );
} );
END
cat > want.txt <<'END'
a.conf:4: pipeline "p", step 1 (filter.match): where: no step before this attaches an entity of the kind "user"
    $entity.user.plan == pro
    ^
END
checks want.txt a.conf
exits 1

# A step that cannot be opened hides what it attaches; once it can, the next is
# found.
sed 's/{ plugin = "filter.match"[^}]*},//' a.conf > d.conf
cat > want.txt <<'END'
d.conf:6: pipeline "p", step 2 (enrich.entity): key: no step before this attaches an entity of the kind "usr"; did you mean "user"?
    $entity.usr.account
    ^
END
checks want.txt d.conf
exits 1
sed 's/usr/user/' d.conf > b.conf
cat > want.txt <<'END'
b.conf:7: pipeline "p", destination destination.null: when: no step before this attaches an entity of the kind "acount"; did you mean "account"?
    $entity.acount.paid == true
    ^
END
checks want.txt b.conf
exits 1
sed 's/acount/account/' b.conf > c.conf
: > want.txt
checks want.txt c.conf
exits 0
exit $status
