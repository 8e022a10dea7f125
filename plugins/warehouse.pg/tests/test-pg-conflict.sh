#!/bin/sh
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/run-with-postgres.sh"
pg_start "$work/pg" || exit 1
run_program test-pg-conflict
