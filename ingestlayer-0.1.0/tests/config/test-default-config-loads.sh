#!/bin/sh
# SPDX-License-Identifier: MIT
# The config that is installed loads, and so do its commented examples.
. "$IL_SRCDIR/tests/config/lib.sh"
: > want.txt
says want.txt "$il" check -c "$IL_SRCDIR/conf/ingestlayer.conf"
exits 0
needs sdk.event warehouse.pg
# Comments that are settings: from "# sources" on, "# " taken away.
sed -n '/^# sources/,$p' "$IL_SRCDIR/conf/ingestlayer.conf" |
    sed 's/^# \{0,1\}//; s/^What becomes.*//' > a.conf
grep -q '^pipelines' a.conf || { echo "no example found"; exit 1; }
echo 'state_dir = "/var/lib/ingestlayer";' >> a.conf
echo secret-of-the-test > key
chmod 0600 key
DATABASE_URL=postgresql://localhost/none
export DATABASE_URL
says want.txt "$il" check -c a.conf
exits 0
exit $status
