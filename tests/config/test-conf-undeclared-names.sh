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
checks want.txt a.conf
exits 1

# A source that takes undeclared events, or a type that takes undeclared
# fields, makes all of that possible.
sed 's/plugin = "sdk.event";/& undeclared = "accept";/' a.conf > b.conf
: > want.txt
checks want.txt b.conf
exits 0
sed 's/type = "feature.used";/& unknown = "allow";/
     s/"feature.use"/"feature.used"/' a.conf > c.conf
checks want.txt c.conf
exits 0

# The same inside of objects and arrays, as deep as they are declared.
cat > d.conf <<'END'
events = ( { type = "order"; fields = (
    { name = "customer"; type = "object"; fields = (
        { name = "plan"; type = "string"; },
        { name = "more"; type = "object"; },
        { name = "open"; type = "object"; unknown = "allow";
          fields = ( { name = "x"; type = "string"; } ); } ); },
    { name = "items"; type = "array"; items = { type = "object";
        fields = ( { name = "sku"; type = "string"; } ); }; } ); },
  { type = "other"; unknown = "allow"; fields = (
    { name = "customer"; type = "object";
      fields = ( { name = "id"; type = "string"; } ); } ); } );
sources = ( { name = "app"; plugin = "sdk.event"; keys = ( "k" ); } );
pipelines = ( { name = "p";
    sources = ( { source = "app"; match = "order"; } );
    steps = (
      { plugin = "filter.match"; where = "customer.plam == free"; },
      { plugin = "filter.match"; where = "items[0].skus == a"; },
      { plugin = "filter.match"; where = "customer.more.any == a or customer.open.any == b"; },
      { plugin = "filter.match"; where = "items.sku == b"; } );
    destinations = ( { plugin = "destination.null"; } ); },
  { name = "q";
    sources = ( { source = "app"; } );
    steps = ( { plugin = "filter.match"; where = "customer.id == a or customer.plan == b or x == y"; },
              { plugin = "filter.match"; where = "customer.idd == a"; } );
    destinations = ( { plugin = "destination.null"; } ); } );
END
cat > want.txt <<'END'
d.conf:16: pipeline "p", step 1 (filter.match): where: no event that arrives here declares the field "customer.plam"; did you mean "customer.plan"?
    customer.plam == free
    ^
d.conf:17: warning: pipeline "p", step 2 (filter.match): where: no event that arrives here declares the field "items[0].skus"; did you mean "items[0].sku"?
    items[0].skus == a
    ^
d.conf:19: warning: pipeline "p", step 4 (filter.match): where: no event that arrives here declares the field "items.sku"
    items.sku == b
    ^
d.conf:24: warning: pipeline "q", step 2 (filter.match): where: no event that arrives here declares the field "customer.idd"; did you mean "customer.id"?
    customer.idd == a
    ^
END
checks want.txt d.conf
exits 1

# A field that was not understood is one fault, where it is declared.
sed 's/"feature.use"/"feature.used"/; s/featur in/feature in/; s/plann/plan/
     s/name = "feature"; type = "string"/name = "feature"; type = "strng"/
     s/^ *fields = (/    idempotency = { key = "feature"; };&/' a.conf > e.conf
cat > want.txt <<'END'
e.conf:2: events #1.fields #1.type: "strng" is not one of: string, number, integer, boolean, object, array, timestamp; did you mean "string"?
END
checks want.txt e.conf
exits 1
exit $status
