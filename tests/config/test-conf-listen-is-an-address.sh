#!/bin/sh
# SPDX-License-Identifier: MIT
# An address that cannot be one is found by check, not by the first start.
. "$IL_SRCDIR/tests/config/lib.sh"
cat > a.conf <<'END'
http = { listen = ( "127.0.0.1:8080", "[::1]:0", ":8081", "localhost:80",
                    "::1:8080",
                    "127.0.0.1",
                    "127.0.0.1:http",
                    "https://127.0.0.1:443",
                    "unix:gate.sock",
                    "http://127.0.0.1:80/path",
                    "unix:/run/ingestlayer/gate.sock", "http://[::]:81" );
         socket_mode = "660";
         trusted_proxies = ( "10.1.0.0/8", "unix", "::1/129", "localhost",
                             "192.0.2.7", "fd00::/8", "10.0.0.0/" ); };
admin = { listen = "127.0.0.1:65536"; socket_mode = "0668"; };
END
cat > want.txt <<'END'
a.conf:2: http.listen #5: IPv6 needs brackets; write "ADDRESS:PORT", "[IPv6]:PORT", ":PORT" or "unix:/PATH"
a.conf:3: http.listen #6: no port; write "ADDRESS:PORT", "[IPv6]:PORT", ":PORT" or "unix:/PATH"
a.conf:4: http.listen #7: the port is no number up to 65535; write "ADDRESS:PORT", "[IPv6]:PORT", ":PORT" or "unix:/PATH"
a.conf:5: http.listen #8: https:// needs a certificate and a key; see tls
a.conf:6: http.listen #9: the path of a unix socket begins with '/'; write "ADDRESS:PORT", "[IPv6]:PORT", ":PORT" or "unix:/PATH"
a.conf:7: http.listen #10: the port is no number up to 65535; write "ADDRESS:PORT", "[IPv6]:PORT", ":PORT" or "unix:/PATH"
a.conf:9: http.socket_mode: expected permissions in octal, like "0660"
a.conf:10: http.trusted_proxies #1: the address goes on beyond the length; did you mean "10.0.0.0/8"?
a.conf:10: http.trusted_proxies #3: the length is above 128; write "10.0.0.0/8", "fd00::/8", an address or "unix"
a.conf:10: http.trusted_proxies #4: no IP address; write "10.0.0.0/8", "fd00::/8", an address or "unix"
a.conf:11: http.trusted_proxies #7: no length after the '/'; write "10.0.0.0/8", "fd00::/8", an address or "unix"
a.conf:12: admin.listen: the port is no number up to 65535; write "ADDRESS:PORT", "[IPv6]:PORT", ":PORT" or "unix:/PATH"
a.conf:12: admin.socket_mode: expected permissions in octal, like "0660"
END
checks want.txt a.conf
exits 1
exit $status
