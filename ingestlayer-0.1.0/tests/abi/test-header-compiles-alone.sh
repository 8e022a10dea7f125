#!/bin/sh
# SPDX-License-Identifier: MIT
# Public headers compile alone, as C99, C11 and C++11 to C++20, without a warning.
set -u
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
status=0
flags="-Wall -Wextra -Werror -pedantic -I$IL_SRCDIR/sdk/plugin \
    -I$IL_SRCDIR/sdk/plugin/testhost"

# compiles LANGUAGE COMPILER STANDARD
compiles() {
    for header in ingestlayer/plugin.h testhost.h; do
        echo "#include <$header>" > "$dir/a.$1"
        # shellcheck disable=SC2086 # a list of flags
        $2 -std=$3 $flags -c -o "$dir/a.o" "$dir/a.$1" || {
            echo "$header does not compile as $3"
            status=1
        }
    done
}

compiles c "${CC:-cc}" c99
compiles c "${CC:-cc}" c11
if command -v "${CXX:-c++}" >/dev/null; then
    for standard in c++11 c++14 c++17 c++20; do
        compiles cc "${CXX:-c++}" $standard
    done
    # The descriptor of a C++ plugin has C linkage and is not lost.
    cat > "$dir/p.cc" <<'END'
#include <ingestlayer/plugin.h>
static int x_open(const struct il_host *, const struct il_conf *, void **)
{
    return 0;
}
IL_PLUGIN = { IL_PLUGIN_ABI, .kind = IL_STEP, .name = "x", .version = "1",
              .summary = "X.", .open = x_open };
END
    # shellcheck disable=SC2086
    "${CXX:-c++}" -std=c++11 $flags \
        -Wno-missing-field-initializers -c -o "$dir/p.o" "$dir/p.cc" &&
        nm "$dir/p.o" | grep -q ' [RDV] il_plugin$' || {
        echo "a C++ plugin does not export il_plugin"
        status=1
    }
fi
exit $status
