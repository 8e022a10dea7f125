#!/bin/sh
# SPDX-License-Identifier: MIT
# A certificate and a key that cannot be used are found by check, each with its
# line; the key's text is never shown.
. "$IL_SRCDIR/tests/config/lib.sh"
command -v openssl > /dev/null || exit 77
pair() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
        -keyout "$1.key" -out "$1.pem" -subj "/CN=$1" -days "$2" 2> /dev/null
    chmod 600 "$1.key"
}
pair one 30
pair two 30
chmod 600 one.pem
openssl pkey -in two.key -aes256 -passout pass:x -out locked.key
chmod 600 locked.key
mkdir sub
cp one.key sub
chmod 644 sub/one.key

# try CERTIFICATE KEY [MORE]: what check says of them, in err.txt
try() {
    cat > a.conf <<END
http = { listen = "https://127.0.0.1:0";
         tls = {
           certificate = "$1";
           key = "$2";
           ${3-}
         }; };
END
    checks want.txt a.conf
}
echo 'a.conf:4: http.tls.key: the key in one.key is not the one of the certificate in two.pem' > want.txt
try two.pem one.key
exits 1
echo 'a.conf:3: http.tls.certificate: cannot read no.pem: No such file or directory' > want.txt
try no.pem one.key
echo 'a.conf:3: http.tls.certificate: no certificate in PEM format in one.key' > want.txt
try one.key one.key
echo 'a.conf:4: http.tls.key: no private key in PEM format in one.pem' > want.txt
try one.pem one.pem
echo 'a.conf:4: http.tls.key: the key in locked.key is locked with a password, which nobody could enter here; unlock it (openssl pkey) and protect the file instead' > want.txt
try two.pem file:locked.key
echo 'a.conf:4: http.tls.key: the environment variable NO_SUCH is not set' > want.txt
try one.pem env:NO_SUCH
echo 'a.conf:5: http.tls.client_ca: no certificate in PEM format in one.key' > want.txt
try one.pem one.key 'client_ca = "one.key";'
cat > want.txt <<'END'
a.conf:5: http.tls.priorities: no GnuTLS priority string: The request is invalid.
    NORMAL:+NOTHING
           ^
END
try one.pem one.key 'priorities = "NORMAL:+NOTHING";'
cat > want.txt <<'END'
a.conf:5: http.tls.certifcate: no such option; did you mean "certificate"?
END
try one.pem one.key 'certifcate = "x";'

# right, in every way it can be written
: > want.txt
try one.pem one.key
exits 0
try file:one.pem "$dir/one.key"
PEM=$(cat one.key)
export PEM
try one.pem env:PEM
CREDENTIALS_DIRECTORY=$dir
export CREDENTIALS_DIRECTORY
try one.pem credential:one.key
cat > want.txt <<'END'
a.conf:4: warning: http.tls.key: the file with this secret can be read by every user; chmod 0640 it
END
try one.pem sub/one.key
exits 0
cp one.pem sub
cat > sub/a.conf <<'END'
state_dir = "state"; admin = { listen = "127.0.0.1:0"; };
http = { listen = "127.0.0.1:0"; tls = { certificate = "one.pem"; key = "one.key"; }; };
END
"$il" check -c sub/a.conf > out.txt 2>&1 || {
    echo "paths relative to the config:"
    cat out.txt
    status=1
}
exit $status
