#!/bin/sh
# SPDX-License-Identifier: MIT
# The tests of the TypeScript SDK under node's test runner.
sdk=${IL_BUILDDIR:?}/sdk/typescript
skip() { echo "skipped: $*"; exit 77; }
command -v node >/dev/null 2>&1 || skip "node is missing"
command -v npm >/dev/null 2>&1 || skip "npm is missing"
[ -f "$sdk/dist/esm/index.js" ] ||
    skip "the SDK is not built (npm ci in sdk/typescript, then configure and make)"
IL_SDK=$sdk
export IL_SDK IL_BUILDDIR
cd "${IL_SRCDIR:?}/sdk/typescript" && exec node --test test/*.test.mjs
