#!/bin/sh
# SPDX-License-Identifier: MIT
# An address that cannot be one is found by check, not by the first start.
. "$IL_SRCDIR/tests/config/lib.sh"
cat > a.conf <<'END'
http = { listen = ( "127.0.0.1:8080", "[::1]:0", ":8080", "localhost:80",
                    "::1:8080",
                    "127.0.0.1",
                    "127.0.0.1:http" ); };
admin = { listen = "127.0.0.1:65536"; };
END
cat > want.txt <<'END'
a.conf:2: http.listen #5: IPv6 needs brackets; write "ADDRESS:PORT", "[IPv6]:PORT" or ":PORT"
a.conf:3: http.listen #6: no port; write "ADDRESS:PORT", "[IPv6]:PORT" or ":PORT"
a.conf:4: http.listen #7: the port is no number up to 65535; write "ADDRESS:PORT", "[IPv6]:PORT" or ":PORT"
a.conf:5: admin.listen: the port is no number up to 65535; write "ADDRESS:PORT", "[IPv6]:PORT" or ":PORT"
END
says want.txt "$il" check -c a.conf
exits 1
exit $status
