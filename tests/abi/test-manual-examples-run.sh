#!/bin/sh
# SPDX-License-Identifier: MIT
# The examples of ingestlayer-plugin(3) compile without a warning, as they stand
# there, and do what they say: plugins are verified, programs are run.
set -u
command -v pkg-config >/dev/null || exit 77
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
page=$IL_SRCDIR/sdk/plugin/ingestlayer-plugin.3
daemon=$IL_BUILDDIR/ingestlayer
status=0
cd "$dir" || exit 1

# Between  .\" example FILE  and  .\" end  stands a display.
awk '
    /^\.\\" example / { file = $3; next }
    /^\.\\" end$/     { file = ""; next }
    file == ""        { next }
    /^\.Bd /          { inside = 1; next }
    /^\.Ed$/          { inside = 0; next }
    inside            { gsub(/\\e/, "\\"); gsub(/\\\(dq/, "\""); print > file }
' "$page"

sanitizers=$(sed -n 's/^#define IL_SANITIZED "\(.*\)"/\1/p' "$IL_BUILDDIR/config.h")
flags="-D_GNU_SOURCE -g -Wall -Wextra -Wpedantic -Werror -I$IL_SRCDIR/sdk/plugin
    ${sanitizers:+-fsanitize=$sanitizers}"
shared="-fPIC -shared -fvisibility=hidden -Wl,-z,defs"
# As it is installed: <ingestlayer/testhost.h>.
mkdir -p include/ingestlayer
cp "$IL_SRCDIR/sdk/plugin/testhost/testhost.h" include/ingestlayer/
libs="$IL_BUILDDIR/sdk/plugin/testhost/libingestlayer-testhost.a
    $(pkg-config --libs gnutls libconfig libpcre2-8 lmdb zlib) -lpthread -ldl"

fails() {
    echo "$1"
    status=1
}

# verified NAME OPTIONS
verified() {
    "$daemon" plugins --verify "$dir/$1.so" "$2" >out 2>&1 && return
    fails "$1: $(cat out)"
}

seen=0
for file in *.c *.cc; do
    seen=$((seen + 1))
    case $file in
    *.cc) compiler="${CXX:-c++} -Wno-missing-field-initializers"
          standards="c++11 c++14 c++17 c++20"
          command -v "${CXX:-c++}" >/dev/null || continue ;;
    *) compiler=${CC:-cc} standards=c11 ;;
    esac
    for standard in $standards; do
        name=$(sed -n 's/.*\.name = "\([a-z.]*\)", \.version.*/\1/p
                       s/^    \.name = "\([a-z.]*\)",$/\1/p' "$file" | tail -n 1)
        # shellcheck disable=SC2086 # lists of flags
        if grep -q '^IL_PLUGIN = ' "$file"; then
            $compiler -std=$standard $flags $shared -o "$name.so" "$file"
        elif grep -q '^main(' "$file"; then
            $compiler -std=$standard $flags -Iinclude -o "${file%.*}" "$file" $libs
        else
            $compiler -std=$standard $flags -c -o "${file%.*}.o" "$file"
        fi || fails "$file does not compile as $standard"
    done
done
[ $seen -ge 7 ] || fails "only $seen examples were found"

verified filter.match 'where = "n > 1";'
verified dest.lines ''
verified source.count ''
[ ! -f step.nothing.so ] || verified step.nothing ''
verified step.stamp 'to = "$event.payload.meta.origin"; text = "shop";'
./test-match >out 2>&1 || fails "test-match: $(cat out)"
[ ! -s out ] || fails "test-match: $(cat out)"

# The command that the page begins with, on the first of its plugins.
cp filter.match.c step.c
sed "s|^cc \$(pkg-config[^)]*)|${CC:-cc} -I$IL_SRCDIR/sdk/plugin|" build.sh | sh ||
    fails "build.sh fails"
[ -f my.step.so ] || fails "build.sh makes no my.step.so"
exit $status
