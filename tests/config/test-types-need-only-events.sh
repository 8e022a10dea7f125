#!/bin/sh
# SPDX-License-Identifier: MIT
# `ingestlayer types` prints the declarations of all files, needs neither
# plugins nor secrets, and prints nothing where the config is wrong.  What
# the compiler says to them: sdk/typescript/test/declared.test.mjs.
. "$IL_SRCDIR/tests/config/lib.sh"
mkdir more.d
cat > a.conf <<'END_CONF'
state_dir = "state";
include_dir = "more.d";
events = (
  { type = "every.type"; fields = (
      { name = "text"; type = "string"; required = true; },
      { name = "n"; type = "number"; required = true; },
      { name = "$whole2"; type = "integer"; },
      { name = "yes"; type = "boolean"; },
      { name = "any"; type = "object"; },
      { name = "many"; type = "array"; },
      { name = "at"; type = "timestamp"; } ); }
);
sources = ( { name = "app"; plugin = "no.such.plugin"; key = "env:NOT_SET"; } );
END_CONF
cat > more.d/b.conf <<'END_CONF'
events = (
  { type = "names \"quoted\""; unknown = "allow"; fields = (
      { name = "user-id"; type = "string"; required = true; },
      { name = "2nd"; type = "string"; },
      { name = "größe \\ \"x\""; type = "string"; } ); },
  { type = "empty"; }
);
END_CONF
cat > want.txt <<'END_TYPES'
// Made by `ingestlayer types` from `events` of the config: change it there.
import "@ingestlayer/sdk";

declare module "@ingestlayer/sdk" {
  interface Events {
    "every.type": {
      text: string;
      n: number | bigint;
      $whole2?: number | bigint | null; // integer
      yes?: boolean | null;
      any?: Record<string, unknown> | null;
      many?: readonly unknown[] | null;
      at?: string | null; // RFC 3339
    };
    "names \"quoted\"": {
      "user-id": string;
      "2nd"?: string | null;
      "größe \\ \"x\""?: string | null;
      [field: string]: unknown;
    };
    "empty": {
      [field: string]: never;
    };
  }
}
END_TYPES
: > nothing.txt
says nothing.txt "$il" types -c a.conf
exits 0
diff want.txt out.txt || status=1

# A config that is wrong makes no types.
printf 'events = ( { type = "gr\366\337e"; fields = ( { name = "a"; type = "text"; } ); } );\n' \
    > more.d/b.conf
"$il" types -c a.conf > out.txt 2> err.txt
exits_with=$?
if [ $exits_with != 1 ] || [ -s out.txt ] ||
    ! grep -q 'b.conf:1: .*type: is not UTF-8; save the file as UTF-8' err.txt ||
    ! grep -q 'b.conf:1: .*type' err.txt; then
    echo "a wrong config: exit code $exits_with"
    cat out.txt err.txt
    status=1
fi

# Output that cannot be written is a failure.
rm more.d/b.conf
if [ -c /dev/full ]; then
    "$il" types -c a.conf > /dev/full 2> err.txt
    [ $? = 1 ] && grep -q 'cannot print the types: No space' err.txt || {
        cat err.txt
        status=1
    }
fi
"$il" types -c a.conf extra > out.txt 2> err.txt
[ $? = 2 ] || status=1
exit $status
