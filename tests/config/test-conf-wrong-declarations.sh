#!/bin/sh
# SPDX-License-Identifier: MIT
# What is wrong with declarations is told at once, each with its place.
. "$IL_SRCDIR/tests/config/lib.sh"
cat > a.conf <<'END'
state_dir = "state";
events = (
  { type = "order";
    idempotency = { key = "ordr_id"; window = "0s"; };
    fields = (
      { name = "order_id"; type = "string"; enum = ( "a", 2, "a" ); },
      { name = "n"; type = "integer"; min = 10; max = 9; },
      { name = "n"; type = "number"; },
      { name = "half"; type = "integer"; min = 0.5; },
      { name = "price"; type = "number"; min = "cheap"; max = 1.2345678901234567; },
      { name = "level"; type = "number"; min = 1; enum = ( 1, "1.0", 0, "x" ); },
      { name = "when"; type = "number"; format = "timestamp"; },
      { name = "mail"; type = "string"; format = "mail"; },
      { name = "to"; type = "string"; format = "email"; enum = ( "x" ); },
      { name = "at"; type = "string"; format = "timestamp"; max_length = 3; },
      { name = "s"; type = "string"; min = 1; min_length = 5; max_length = 4; },
      { name = "list"; type = "array"; min_length = 1; min_items = 2; max_items = 1;
        items = { name = "x"; type = "strin"; }; },
      { name = "o"; type = "object"; unknown = "allow"; },
      { name = "p"; type = "object"; fields = ( ); },
      { name = "q"; type = "object"; items = { type = "string"; };
        fields = ( { name = "a"; type = "string"; enum = ( ); },
                   { name = "a"; type = "array"; fields = ( { name = "z"; type = "string"; } ); } ); },
      { name = "b"; type = "boolean"; enum = [ true ]; } ); },
  { type = "keys.obj"; idempotency = { key = "o"; };
    fields = ( { name = "o"; type = "object"; } ); },
  { type = "keys.in.array"; idempotency = { key = "a[0]"; };
    fields = ( { name = "a"; type = "array"; } ); },
  { type = "keys.bad"; idempotency = { key = "a..b"; }; },
  { type = "keys.root"; idempotency = { key = "$event.id"; }; }
);
END
cat > want.txt <<'END'
a.conf:4: events #1.idempotency.window: expected 1s to 3650d, found 0ms
a.conf:4: events #1.idempotency.key: the event does not declare this field; did you mean "order_id"?
a.conf:6: events #1.fields #1.enum #2: expected a text, as the field is a string; found the number 2
a.conf:6: events #1.fields #1.enum #3: a is there twice
a.conf:7: events #1.fields #2.max: 9 is less than min, which is 10
a.conf:8: events #1.fields #3.name: the field "n" is declared twice
a.conf:9: events #1.fields #4.min: expected an integer, as the field is one; found 0.5
a.conf:10: events #1.fields #5.min: expected a number, found "cheap"
a.conf:11: events #1.fields #6.enum #2: 1.0 is there twice
a.conf:11: events #1.fields #6.enum #3: can never be met: expected 1 or more, got 0
a.conf:11: events #1.fields #6.enum #4: expected a number, found "x"
a.conf:12: events #1.fields #7.format: is for strings, not for type "number"
a.conf:13: events #1.fields #8.format: "mail" is not one of: timestamp, uuid, email, uri; did you mean "email"?
a.conf:14: events #1.fields #9.enum: can never be met: expected an email address, got another string
a.conf:15: events #1.fields #10.max_length: does not go with the format "timestamp"
a.conf:16: events #1.fields #11.min: is for numbers, not for type "string"; of strings there is min_length, of arrays min_items
a.conf:16: events #1.fields #11.max_length: 4 is less than min_length, which is 5
a.conf:17: events #1.fields #12.min_length: is for strings, not for type "array"
a.conf:17: events #1.fields #12.max_items: 1 is less than min_items, which is 2
a.conf:18: events #1.fields #12.items.name: no such option; there are: type, nullable, enum, format, min, max, min_length, max_length, min_items, max_items, items, unknown, fields
a.conf:18: events #1.fields #12.items.type: "strin" is not one of: string, number, integer, boolean, object, array, timestamp; did you mean "string"?
a.conf:19: events #1.fields #13.unknown: needs fields: an object without takes any
a.conf:20: events #1.fields #14: fields: needs at least one field; an object without this option takes any
a.conf:21: events #1.fields #15.items: is for arrays, not for type "object"
a.conf:22: events #1.fields #15.fields #1: enum: needs at least one value
a.conf:23: events #1.fields #15.fields #2.fields: is for objects, not for type "array"
a.conf:23: events #1.fields #15.fields #2.name: the field "a" is declared twice
a.conf:24: events #1.fields #16.enum: expected a text in double quotes or a number, found true or false
a.conf:25: events #2.idempotency.key: a key is a string, an integer or a timestamp; this is declared as "object"
a.conf:27: events #3.idempotency.key: expected a field of the payload, not in an array, such as "order_id" or "order.id"
a.conf:29: events #4.idempotency.key: expected a name
    a..b
      ^
a.conf:30: events #5.idempotency.key: expected a field of the payload, not in an array, such as "order_id" or "order.id"
END
checks want.txt a.conf
exits 1

# Deeper than is allowed, and just not.
nest() {
    awk -v n="$1" 'BEGIN {
        printf "state_dir = \"s\"; events = ( { type = \"t\"; fields = ( { name = \"a\"; "
        for (i = 0; i < n; i++) printf "type = \"array\"; items = { "
        printf "type = \"string\"; "
        for (i = 0; i < n; i++) printf "}; "
        print "} ); } );"
    }'
}
: > want.txt
nest 11 > b.conf
checks want.txt b.conf
exits 0
nest 12 > b.conf
"$il" check -c b.conf > out.txt 2>&1
grep -q 'items: is too deep: 12 objects and arrays in each other are the limit' out.txt || {
    cat out.txt
    status=1
}

# All that may be said, said rightly.
cat > good.conf <<'END'
state_dir = "s";
events = (
  { type = "order"; idempotency = { key = "order.id"; window = "7d"; };
    fields = (
      { name = "order"; type = "object"; required = true; unknown = "allow"; fields = (
          { name = "id"; type = "string"; format = "uuid"; required = true; } ); },
      { name = "n"; type = "integer"; min = -9223372036854775807L; max = "18446744073709551616"; },
      { name = "x"; type = "number"; enum = ( 1, 2.5, "1e400", "0.12345678901234567890" ); },
      { name = "s"; type = "string"; enum = "one"; nullable = true; required = true; },
      { name = "at"; type = "string"; format = "timestamp"; },
      { name = "list"; type = "array"; min_items = 0; max_items = 5;
        items = { type = "string"; min_length = 1; max_length = 1; nullable = true; }; } ); }
);
END
: > want.txt
checks want.txt good.conf
exits 0
exit $status
