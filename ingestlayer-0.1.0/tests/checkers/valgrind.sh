#!/bin/sh
# SPDX-License-Identifier: MIT
# valgrind.sh PROGRAM ARGUMENTS...: run it under valgrind as the tests want it:
# only what is wrong is said, and where driver.sh looks for it.
exec valgrind -q --error-exitcode=99 --leak-check=full \
    --errors-for-leak-kinds=definite --show-leak-kinds=definite \
    --suppressions="$(dirname "$0")/valgrind.supp" \
    ${IL_REPORTS:+"--log-file=$IL_REPORTS/valgrind.%p"} "$@"
