#!/bin/sh
# SPDX-License-Identifier: MIT
# A step in Rust, without a crate, is built, does what it says, and keeps the
# rules.  Its binding has the function table as the header has it.
set -u
rustc=${RUSTC:-rustc}
# Where rustup has no toolchain, rustc is there and does not run.
"$rustc" --version >/dev/null 2>&1 || exit 77
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
example=$IL_SRCDIR/sdk/plugin/examples/rust

# The names of the table's entries, in their order.
sed -n '/^struct il_api {/,/^};/p' "$IL_SRCDIR/sdk/plugin/ingestlayer/plugin.h" |
    grep -o '(\*[a-z_]*)(' | tr -d '(*)' | grep -Ev '^(fn|is_there)$' >"$dir/header"
sed -n '/^pub struct Api {/,/^}/p' "$example/ingestlayer.rs" |
    sed -n 's/^    pub \([a-z_]*\): .*/\1/p' | tail -n +4 >"$dir/binding"
diff "$dir/header" "$dir/binding" >"$dir/diff" || {
    echo "ingestlayer.rs is not as the header (<):"
    cat "$dir/diff"
    exit 1
}

"$rustc" --edition 2021 -O -C panic=abort -D warnings --crate-type cdylib \
    --crate-name example_sample \
    -o "$dir/example.sample.so" "$example/example.sample.rs" || exit 1
symbols=$(nm -D --defined-only "$dir/example.sample.so" | awk '{ print $NF }' |
    grep -v '^_')
[ "$symbols" = il_plugin ] || {
    echo "it exports: $symbols"
    exit 1
}
"$IL_BUILDDIR/tests/abi/languages" rust "$dir/example.sample.so" || exit 1
"$IL_BUILDDIR/ingestlayer" plugins --verify "$dir/example.sample.so" >"$dir/out" || {
    cat "$dir/out"
    exit 1
}
