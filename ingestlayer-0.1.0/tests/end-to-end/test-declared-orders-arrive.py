#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The declaration in ingestlayer-events(7), as it stands there: a refusal tells
every problem with its path, an order that comes again is a
duplicate by its declared key, also after a kill, and the table is made with columns of the
declared types."""
import os

from system import HEAD, System, equal

with open(os.path.join(os.environ["IL_SRCDIR"], "core/ingestlayer-events.7")) as f:
    EVENTS = f.read().split(".Bd -literal\n", 1)[1].split(".Ed", 1)[0]

CONF = HEAD + EVENTS + """
pipelines = (
  { name = "orders";
    sources = ( { source = "app"; match = "order.placed"; } );
    steps = ( { plugin = "filter.match"; where = "items[0].sku != none and customer.email != none"; } );
    destinations = ( { plugin = "warehouse.pg"; connection = "env:DSN"; table = "t.orders"; create = true; },
      { name = "mapped"; plugin = "warehouse.pg"; connection = "env:DSN"; table = "t.mapped"; create = true;
        columns = ( { name = "order_id"; value = "$event.payload.order_id"; },
                    { name = "mail"; value = "$event.payload.customer.email"; },
                    { name = "first_count"; value = "$event.payload.items[0].count"; } ); } ); }
);
"""


def order(number, **more):
    payload = {
        "order_id": "F81D4FAE-7DEC-11D0-A765-%012d" % number, "total": 12.5, "status": "paid",
        "customer": {"email": "ada@acme.com"}, "items": [{"sku": "a", "count": 2, "colour": "red"}],
    }
    payload.update(more)
    return {"type": "order.placed", "payload": payload}


COLUMNS = """select string_agg(concat_ws(' ', attname, format_type(atttypid, null),
    case when attnotnull then 'not null' end), ', ' order by attnum)
    from pg_attribute where attrelid = '%s'::regclass and attnum > 0"""

with System(CONF) as s:
    answer = s.post(order(1, order_id="1", status="piad", total=-0.01, customer={"email": "ada", "mail": 1},
                          items=[{"sku": "a", "count": 1}, {"count": 0}, {"sku": "x" * 100, "count": "1" * 5000}],
                          extra=[1]), want=422)["error"]
    equal(answer["code"], "schema", "code")
    equal([(p["path"], p["rule"], p["message"]) for p in answer["problems"]], [
        ("payload.order_id", "format", "expected a UUID, got another string"),
        ("payload.total", "min", "expected 0 or more, got -0.01"),
        ("payload.status", "enum", 'expected one of "new", "paid", got "piad"; did you mean "paid"?'),
        ("payload.customer.email", "format", "expected an email address, got another string"),
        ("payload.customer.mail", "unknown", 'is not declared for this event; did you mean "email"?'),
        ("payload.items[1].count", "min", "expected 1 or more, got 0"),
        ("payload.items[1].sku", "required", "is required and missing"),
        ("payload.items[2].count", "type", "expected an integer, got a string"),
        ("payload.extra", "unknown", "is not declared for this event"),
    ], "problems")

    first = s.post([order(1), order(2)])["data"]
    equal((first["accepted"], first["duplicates"]), (2, 0), "two orders")
    again = s.post([order(2, total=99), order(3)])["data"]
    equal((again["accepted"], again["duplicates"]), (1, 1), "one of them again")
    equal(again["events"][0]["id"], first["events"][1]["id"], "the id of the first")
    s.daemon.kill()
    s.daemon.start()
    again = s.post([order(1), order(3)])["data"]
    equal((again["accepted"], again["duplicates"]), (0, 2), "both after a kill")
    s.delivered()

    equal(s.pg.sql(COLUMNS % "t.orders"),
          "event_id text not null, type text not null, source_id text not null, "
          "received_at timestamp with time zone not null, timestamp timestamp with time zone, "
          "order_id uuid not null, status text, total numeric not null, customer jsonb, items jsonb, payload jsonb",
          "columns of the declaration")
    equal(s.pg.sql(COLUMNS % "t.mapped"),
          "event_id text not null, order_id uuid not null, mail text, first_count bigint, payload jsonb",
          "columns of nested fields")
    equal(s.pg.sql("select string_agg(right(order_id::text, 1) || ' ' || total || ' ' || (items->0->>'colour'), ', '"
                   " order by order_id) from t.orders"), "1 12.5 red, 2 12.5 red, 3 12.5 red", "rows")
    equal(s.pg.sql("select count(*) || ' ' || min(mail) || ' ' || sum(first_count) from t.mapped"),
          "3 ada@acme.com 6", "mapped rows")
    equal([(d["code"], d["field"]) for d in s.dead()], [("schema", "payload.order_id")], "dead letters")
