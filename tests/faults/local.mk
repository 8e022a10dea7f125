# The fault campaign: a short one in `make check`, long ones on their own.
EXTRA_DIST += tests/faults/campaign.py \
	tests/faults/test-kill-loses-nothing.sh
if PLUGIN_WAREHOUSE_PG
TESTS += tests/faults/test-kill-loses-nothing.sh
endif

# kill -9 of the daemon and of Postgres, again and again; SEED=n repeats one.
FAULT_TRIALS = 500
FAULT_EVENTS = 20000
check-faults: all
	$(AM_TESTS_ENVIRONMENT) python3 $(srcdir)/tests/faults/campaign.py \
		--trials $(FAULT_TRIALS) --events $(FAULT_EVENTS) --seed '$(SEED)'

# A million events in batches of 500, with both killed while it runs.
check-million: all
	$(AM_TESTS_ENVIRONMENT) python3 $(srcdir)/tests/faults/campaign.py \
		--trials 1 --events 1000000 --kills 12 --seed '$(SEED)'

.PHONY: check-faults check-million
