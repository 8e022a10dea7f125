# The fault campaign: a short one in `make check`, long ones on their own.
FAULT_TESTS = tests/faults/test-kill-loses-nothing.sh \
	tests/faults/test-damaged-state.py \
	tests/faults/test-upserts-survive-kills.sh \
	tests/faults/test-every-write-point.sh \
	tests/faults/test-retry-delivers-once.sh \
	tests/faults/test-deferred-delivers-once.sh \
	tests/faults/test-memory-survives.py \
	tests/faults/test-failing-io.py \
	tests/faults/test-reload-loses-nothing.py \
	tests/faults/test-replay-survives-kills.py \
	tests/faults/test-reload-without-memory.py \
	tests/faults/test-upgrade-dies-anywhere.py \
	tests/faults/test-nodes-into-one-table.py \
	tests/faults/test-postgres-troubles.py
EXTRA_DIST += tests/faults/campaign.py tests/faults/points.py \
	tests/faults/deliveries.py \
	tests/faults/retry.py \
	tests/faults/swept.py \
	tests/faults/deferred.py \
	tests/faults/trouble.py \
	tests/faults/upserts.py \
	tests/faults/troubles_network.py \
	tests/faults/troubles_rows.py \
	tests/faults/troubles_schema.py \
	tests/faults/troubles_server.py \
	tests/faults/troubles_transactions.py \
	tests/faults/test-count-is-exactly-once.py \
	tests/faults/test-deliveries-at-any-write.sh \
	tests/faults/remembered.py \
	tests/faults/test-memory-at-any-write.sh \
	tests/faults/test-parked-backlog.py \
	$(FAULT_TESTS)
if PLUGIN_WAREHOUSE_PG
TESTS += $(FAULT_TESTS)
endif
TESTS += tests/faults/test-count-is-exactly-once.py \
	tests/faults/test-deliveries-at-any-write.sh \
	tests/faults/test-memory-at-any-write.sh \
	tests/faults/test-parked-backlog.py

# Loaded into the daemon by points.py.  It takes the place of malloc, so no
# sanitizer goes into it.
check_LTLIBRARIES += tests/faults/inject.la
tests_faults_inject_la_SOURCES = tests/faults/inject.c tests/faults/inject.h \
	tests/faults/shadow.c
tests_faults_inject_la_CFLAGS = $(IL_WARN_CFLAGS) -fno-builtin
tests_faults_inject_la_LDFLAGS = -module -avoid-version -shared -rpath /nowhere

# kill -9 of the daemon and of Postgres, again and again; SEED=n repeats one.
FAULT_TRIALS = 500
FAULT_EVENTS = 20000
FAULT_NODE_TRIALS = 50
FAULT_UPSERT_TRIALS = 200
check-faults: all $(check_LTLIBRARIES)
	$(AM_TESTS_ENVIRONMENT) python3 $(srcdir)/tests/faults/points.py \
		--seed '$(SEED)'
	$(AM_TESTS_ENVIRONMENT) python3 $(srcdir)/tests/faults/retry.py \
		--trials 40 --seed '$(SEED)'
	$(AM_TESTS_ENVIRONMENT) python3 $(srcdir)/tests/faults/deferred.py \
		--trials 40 --seed '$(SEED)'
	$(AM_TESTS_ENVIRONMENT) python3 \
		$(srcdir)/tests/faults/test-memory-survives.py --kills 60
	$(AM_TESTS_ENVIRONMENT) python3 \
		$(srcdir)/tests/faults/remembered.py --seed '$(SEED)'
	$(AM_TESTS_ENVIRONMENT) python3 \
		$(srcdir)/tests/faults/deliveries.py --seed '$(SEED)'
	$(AM_TESTS_ENVIRONMENT) python3 \
		$(srcdir)/tests/faults/test-upgrade-dies-anywhere.py \
		--writes 200 --seed '$(SEED)'
	$(AM_TESTS_ENVIRONMENT) python3 \
		$(srcdir)/tests/faults/test-count-is-exactly-once.py --every 1
	$(AM_TESTS_ENVIRONMENT) python3 \
		$(srcdir)/tests/faults/test-parked-backlog.py --events 1000000
	$(AM_TESTS_ENVIRONMENT) KEYS=1000000 python3 \
		$(srcdir)/tests/end-to-end/test-every-key-is-known.py
	$(AM_TESTS_ENVIRONMENT) KEYS=10000000 python3 \
		$(srcdir)/tests/end-to-end/test-ten-million-keys.py
	$(AM_TESTS_ENVIRONMENT) SEED='$(SEED)' \
		python3 $(srcdir)/tests/faults/test-damaged-state.py --all
	$(AM_TESTS_ENVIRONMENT) python3 \
		$(srcdir)/tests/faults/test-postgres-troubles.py --all \
		--rounds 3 --scale 3 --seed '$(SEED)'
	$(AM_TESTS_ENVIRONMENT) python3 $(srcdir)/tests/faults/campaign.py \
		--trials $(FAULT_TRIALS) --events $(FAULT_EVENTS) --seed '$(SEED)'
	$(AM_TESTS_ENVIRONMENT) python3 $(srcdir)/tests/faults/campaign.py \
		--trials $(FAULT_NODE_TRIALS) --nodes 3 --kills 20 \
		--senders 6 --events $(FAULT_EVENTS) --seed '$(SEED)'
	$(AM_TESTS_ENVIRONMENT) python3 $(srcdir)/tests/faults/campaign.py \
		--trials $(FAULT_UPSERT_TRIALS) --upsert any \
		--events $(FAULT_EVENTS) --seed '$(SEED)'
	$(AM_TESTS_ENVIRONMENT) python3 $(srcdir)/tests/faults/campaign.py \
		--trials $(FAULT_NODE_TRIALS) --upsert any --senders 1 \
		--events $(FAULT_EVENTS) --seed '$(SEED)'
	$(AM_TESTS_ENVIRONMENT) python3 $(srcdir)/tests/faults/campaign.py \
		--trials $(FAULT_NODE_TRIALS) --upsert newer --nodes 3 \
		--kills 20 --events $(FAULT_EVENTS) --seed '$(SEED)'
	ulimit -n 12000 && $(AM_TESTS_ENVIRONMENT) python3 \
		$(srcdir)/tests/http/test-idle-connections-do-not-disturb.py \
		--count 10000

# A million events in batches of 500, with both killed while it runs.
check-million: all
	$(AM_TESTS_ENVIRONMENT) python3 $(srcdir)/tests/faults/campaign.py \
		--trials 1 --events 1000000 --kills 12 --seed '$(SEED)'

.PHONY: check-faults check-million
