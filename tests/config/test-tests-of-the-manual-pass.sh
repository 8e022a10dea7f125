#!/bin/sh
# SPDX-License-Identifier: MIT
# The tests in the synopsis of ingestlayer-tests(5) are tests of such a config, as they
# stand there.
. "$(dirname "$0")/lib.sh"
needs warehouse.pg slack sdk.event filter.match enrich.entity
sed -n '/^\.Sh SYNOPSIS/,/^\.Sh DESCRIPTION/p' "$IL_SRCDIR/core/ingestlayer-tests.5" |
    sed '/^\./d; s/\\e/\\/g' >manual.tests.conf
cat >feature-usage.conf <<'E2'
state_dir = "state";
http = { listen = "127.0.0.1:0"; };
admin = { listen = "127.0.0.1:0"; };
sources = ( { name = "app"; plugin = "sdk.event"; keys = ( "env:INGESTLAYER_KEY" ); } );
pipelines = (
  { name = "feature-usage"; sources = ( { source = "app"; match = "*"; } );
    steps = ( { plugin = "filter.match"; where = "feature like '*.export'"; },
              { plugin = "enrich.entity"; kind = "user"; key = "$event.payload.user_id"; } );
    destinations = (
      { plugin = "warehouse.pg"; connection = "env:DATABASE_URL"; table = "t"; create = true;
        columns = ( { name = "account"; value = "$entity.user.account"; },
                    { name = "feature"; value = "$event.payload.feature"; } ); },
      { plugin = "slack"; name = "sales"; url = "http://127.0.0.1/services/T/B/x";
        when = "$entity.user.plan == free"; text = "{{ $entity.user.account }} exported"; } ); }
);
E2
says /dev/null "$il" test -v manual.tests.conf
[ "$code" = 0 ] && grep -qx 'manual.tests.conf: 2 of 2 tests passed' out.txt || {
    cat out.txt
    status=1
}
exit $status
