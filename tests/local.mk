# Unit tests of core link the library; each is one program:
#   check_PROGRAMS += tests/unit/test-json
#   TESTS += tests/unit/test-json
#   tests_unit_test_json_SOURCES = tests/unit/test-json.c
#   tests_unit_test_json_CPPFLAGS = $(UNIT_CPPFLAGS)
#   tests_unit_test_json_LDADD = $(UNIT_LIBS)
UNIT_LIBS = $(CORE_LIBS) $(CHECK_LIBS)
UNIT_CPPFLAGS = $(core_libcore_a_CPPFLAGS) $(CHECK_CFLAGS)

if HAVE_CHECK
include tests/unit/local.mk
endif
include tests/plugins/local.mk
include tests/abi/local.mk
include tests/config/local.mk
include tests/end-to-end/local.mk
include tests/bench/local.mk
include tests/checkers/local.mk
include tests/clients/local.mk
include tests/faults/local.mk
include tests/fuzz/local.mk
include tests/house/local.mk
include tests/packaging/local.mk
include tests/http/local.mk
include tests/webhooks/local.mk

EXTRA_DIST += tests/lib/asked.py tests/lib/daemon.sh tests/lib/plugin-check.sh tests/lib/postgres.sh tests/lib/inject.py tests/lib/servers.py \
	tests/lib/clusters.py tests/lib/ledger.py tests/lib/ports.py \
	tests/lib/each.py tests/lib/jetstream.py tests/lib/load.py tests/lib/machine.py tests/lib/mailserver.py tests/lib/receiver.py tests/lib/recipe.py \
	tests/lib/reloads.py \
	tests/lib/sockets.py tests/lib/system.py tests/lib/tapped.py tests/lib/terminal.py tests/lib/upgrades.py \
	tests/lib/wire.py

# Tests that show more the longer they run: at full length here, and shorter in
# `make check` (tests/unit/slow.h).
SLOW_TESTS = tests/unit/test-idem tests/unit/test-entity \
	tests/packaging/test-builds-are-reproducible.sh
check-slow: all
	IL_SLOW=1 CK_DEFAULT_TIMEOUT=600 $(MAKE) $(AM_MAKEFLAGS) check \
		TESTS='$(SLOW_TESTS)'
.PHONY: check-slow
