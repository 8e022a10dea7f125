#!/bin/sh
# SPDX-License-Identifier: MIT
# include_dir joins lists in name order; a name used twice names both places.
. "$IL_SRCDIR/tests/config/lib.sh"
needs sdk.event
mkdir pipelines.d
cat > main.conf <<'END'
include_dir = "pipelines.d";
drain = "5s";
events = ( { type = "a.b"; } );
sources = ( { name = "app"; plugin = "sdk.event"; keys = ( "k" ); } );
END
cat > pipelines.d/10.conf <<'END'
pipelines = ( { name = "p"; sources = ( { source = "app"; } );
                destinations = ( { plugin = "destination.null"; } ); } );
END
: > want.txt
checks want.txt main.conf
exits 0
grep -q '1 source, 1 pipeline, 1 lane' out.txt || {
    echo "the include was not read:"
    cat out.txt
    status=1
}

cat > pipelines.d/20.conf <<'END'
events = ( { type = "a.b"; } );
drain = "6s";
sources = ( { name = "app"; plugin = "sdk.event"; keys = ( "k" ); } );
pipelines = ( { name = "p"; sources = ( { source = "app"; } );
                destinations = ( { plugin = "destination.null"; } ); } );
END
cat > want.txt <<'END'
pipelines.d/20.conf:1: events #2.type: "a.b" is already declared at main.conf:3
pipelines.d/20.conf:2: drain: is set twice; the first is in main.conf:2
pipelines.d/20.conf:3: source "app" (sdk.event): name: "app" is already used at main.conf:4
pipelines.d/20.conf:4: pipeline "p": name: "p" is already used at pipelines.d/10.conf:1
END
checks want.txt main.conf
exits 1

# A file that cannot be parsed is all that is reported of what follows from it.
echo 'sources = ( { name = "other" plugin = }; );' > pipelines.d/20.conf
sed -i 's/source = "app"/source = "other"/' pipelines.d/10.conf
cat > want.txt <<'END'
pipelines.d/20.conf:1: "plugin" has no value
END
checks want.txt main.conf
exits 1

sed -i 's/pipelines.d/nowhere.d/' main.conf
cat > want.txt <<'END'
main.conf:1: include_dir: cannot read the directory nowhere.d: No such file or directory
END
checks want.txt main.conf
exits 1
exit $status
