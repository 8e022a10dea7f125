#!/bin/sh
# SPDX-License-Identifier: MIT
# libconfig 1.5 would make a negative number of it.
. "$IL_SRCDIR/tests/config/lib.sh"
cat > a.conf <<'END'
idempotency = { max_keys = 3000000000; };
END
cat > want.txt <<'END'
a.conf:1: 3000000000 does not fit 32 bits and would be wrapped silently; write 3000000000L
END
checks want.txt a.conf
exits 1
sed 's/000;/000L;/' a.conf > b.conf
: > want.txt
checks want.txt b.conf
exits 0
exit $status
