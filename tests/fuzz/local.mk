# Fuzz targets, in libFuzzer's form.  `make check` builds each as a program
# that replays its seeds in tests/fuzz/corpus/NAME; `make fuzz` runs all of
# them, or FUZZ="json ...", for FUZZ_TIME each with clang.
# To add one: six lines as below, seeds in corpus/NAME.
FUZZ_TARGETS =
FUZZ_TIME = 60
FUZZ = $(FUZZ_TARGETS)
FUZZ_REPLAY = tests/fuzz/replay.c tests/fuzz/fuzz.h
CLANG = clang

EXTRA_DIST += tests/fuzz/corpus tests/fuzz/run.sh

FUZZ_TARGETS += address
check_PROGRAMS += tests/fuzz/fuzz-address
TESTS += tests/fuzz/fuzz-address
tests_fuzz_fuzz_address_SOURCES = tests/fuzz/fuzz-address.c $(FUZZ_REPLAY)
tests_fuzz_fuzz_address_CPPFLAGS = $(core_libcore_a_CPPFLAGS)
tests_fuzz_fuzz_address_LDADD = $(CORE_LIBS)

FUZZ_TARGETS += attempts
check_PROGRAMS += tests/fuzz/fuzz-attempts
TESTS += tests/fuzz/fuzz-attempts
tests_fuzz_fuzz_attempts_SOURCES = tests/fuzz/fuzz-attempts.c \
	tests/fuzz/folder.h $(FUZZ_REPLAY)
tests_fuzz_fuzz_attempts_CPPFLAGS = $(core_libcore_a_CPPFLAGS)
tests_fuzz_fuzz_attempts_LDADD = $(CORE_LIBS)

FUZZ_TARGETS += edit
check_PROGRAMS += tests/fuzz/fuzz-edit
TESTS += tests/fuzz/fuzz-edit
tests_fuzz_fuzz_edit_SOURCES = tests/fuzz/fuzz-edit.c $(FUZZ_REPLAY)
tests_fuzz_fuzz_edit_CPPFLAGS = $(core_libcore_a_CPPFLAGS)
tests_fuzz_fuzz_edit_LDADD = $(CORE_LIBS)

FUZZ_TARGETS += event
check_PROGRAMS += tests/fuzz/fuzz-event
TESTS += tests/fuzz/fuzz-event
tests_fuzz_fuzz_event_SOURCES = tests/fuzz/fuzz-event.c $(FUZZ_REPLAY)
tests_fuzz_fuzz_event_CPPFLAGS = $(core_libcore_a_CPPFLAGS)
tests_fuzz_fuzz_event_LDADD = $(CORE_LIBS)

FUZZ_TARGETS += decided
check_PROGRAMS += tests/fuzz/fuzz-decided
TESTS += tests/fuzz/fuzz-decided
tests_fuzz_fuzz_decided_SOURCES = tests/fuzz/fuzz-decided.c $(FUZZ_REPLAY)
tests_fuzz_fuzz_decided_CPPFLAGS = $(core_libcore_a_CPPFLAGS)
tests_fuzz_fuzz_decided_LDADD = $(CORE_LIBS)

FUZZ_TARGETS += expr
check_PROGRAMS += tests/fuzz/fuzz-expr
TESTS += tests/fuzz/fuzz-expr
tests_fuzz_fuzz_expr_SOURCES = tests/fuzz/fuzz-expr.c \
	tests/unit/event_fixture.h $(FUZZ_REPLAY)
tests_fuzz_fuzz_expr_CPPFLAGS = $(core_libcore_a_CPPFLAGS)
tests_fuzz_fuzz_expr_LDADD = $(CORE_LIBS)

FUZZ_TARGETS += judge
check_PROGRAMS += tests/fuzz/fuzz-judge
TESTS += tests/fuzz/fuzz-judge
tests_fuzz_fuzz_judge_SOURCES = tests/fuzz/fuzz-judge.c \
	tests/unit/event_fixture.h $(FUZZ_REPLAY)
tests_fuzz_fuzz_judge_CPPFLAGS = $(core_libcore_a_CPPFLAGS)
tests_fuzz_fuzz_judge_LDADD = $(CORE_LIBS)

FUZZ_TARGETS += gate
check_PROGRAMS += tests/fuzz/fuzz-gate
TESTS += tests/fuzz/fuzz-gate
tests_fuzz_fuzz_gate_SOURCES = tests/fuzz/fuzz-gate.c $(FUZZ_REPLAY)
tests_fuzz_fuzz_gate_CPPFLAGS = $(core_libcore_a_CPPFLAGS)
tests_fuzz_fuzz_gate_LDADD = $(CORE_LIBS)

FUZZ_TARGETS += json
check_PROGRAMS += tests/fuzz/fuzz-json
TESTS += tests/fuzz/fuzz-json
tests_fuzz_fuzz_json_SOURCES = tests/fuzz/fuzz-json.c $(FUZZ_REPLAY)
tests_fuzz_fuzz_json_CPPFLAGS = $(core_libcore_a_CPPFLAGS)
tests_fuzz_fuzz_json_LDADD = $(CORE_LIBS)

FUZZ_TARGETS += mark
check_PROGRAMS += tests/fuzz/fuzz-mark
TESTS += tests/fuzz/fuzz-mark
tests_fuzz_fuzz_mark_SOURCES = tests/fuzz/fuzz-mark.c $(FUZZ_REPLAY)
tests_fuzz_fuzz_mark_CPPFLAGS = $(core_libcore_a_CPPFLAGS)
tests_fuzz_fuzz_mark_LDADD = $(CORE_LIBS)

FUZZ_TARGETS += msg
check_PROGRAMS += tests/fuzz/fuzz-msg
TESTS += tests/fuzz/fuzz-msg
tests_fuzz_fuzz_msg_SOURCES = tests/fuzz/fuzz-msg.c $(FUZZ_REPLAY)
tests_fuzz_fuzz_msg_CPPFLAGS = $(core_libcore_a_CPPFLAGS)
tests_fuzz_fuzz_msg_LDADD = $(CORE_LIBS)

FUZZ_TARGETS += origin
check_PROGRAMS += tests/fuzz/fuzz-origin
TESTS += tests/fuzz/fuzz-origin
tests_fuzz_fuzz_origin_SOURCES = tests/fuzz/fuzz-origin.c $(FUZZ_REPLAY)
tests_fuzz_fuzz_origin_CPPFLAGS = $(core_libcore_a_CPPFLAGS)
tests_fuzz_fuzz_origin_LDADD = $(CORE_LIBS)

FUZZ_TARGETS += time
check_PROGRAMS += tests/fuzz/fuzz-time
TESTS += tests/fuzz/fuzz-time
tests_fuzz_fuzz_time_SOURCES = tests/fuzz/fuzz-time.c $(FUZZ_REPLAY)
tests_fuzz_fuzz_time_CPPFLAGS = $(core_libcore_a_CPPFLAGS)
tests_fuzz_fuzz_time_LDADD = $(CORE_LIBS)

FUZZ_TARGETS += schema
check_PROGRAMS += tests/fuzz/fuzz-schema
TESTS += tests/fuzz/fuzz-schema
tests_fuzz_fuzz_schema_SOURCES = tests/fuzz/fuzz-schema.c $(FUZZ_REPLAY)
tests_fuzz_fuzz_schema_CPPFLAGS = $(core_libcore_a_CPPFLAGS)
tests_fuzz_fuzz_schema_LDADD = $(CORE_LIBS)

FUZZ_TARGETS += spool
check_PROGRAMS += tests/fuzz/fuzz-spool
TESTS += tests/fuzz/fuzz-spool
tests_fuzz_fuzz_spool_SOURCES = tests/fuzz/fuzz-spool.c \
	tests/fuzz/folder.h $(FUZZ_REPLAY)
tests_fuzz_fuzz_spool_CPPFLAGS = $(core_libcore_a_CPPFLAGS)
tests_fuzz_fuzz_spool_LDADD = $(CORE_LIBS)

FUZZ_TARGETS += recover
check_PROGRAMS += tests/fuzz/fuzz-recover
TESTS += tests/fuzz/fuzz-recover
tests_fuzz_fuzz_recover_SOURCES = tests/fuzz/fuzz-recover.c \
	tests/fuzz/folder.h $(FUZZ_REPLAY)
tests_fuzz_fuzz_recover_CPPFLAGS = $(core_libcore_a_CPPFLAGS)
tests_fuzz_fuzz_recover_LDADD = $(CORE_LIBS)

if PLUGIN_WAREHOUSE_PG
FUZZ_TARGETS += response
check_PROGRAMS += tests/fuzz/fuzz-response
TESTS += tests/fuzz/fuzz-response
tests_fuzz_fuzz_response_SOURCES = tests/fuzz/fuzz-response.c $(FUZZ_REPLAY)
tests_fuzz_fuzz_response_CPPFLAGS = $(core_libcore_a_CPPFLAGS)
tests_fuzz_fuzz_response_LDADD = $(CORE_LIBS)

FUZZ_TARGETS += rows
check_PROGRAMS += tests/fuzz/fuzz-rows
TESTS += tests/fuzz/fuzz-rows
tests_fuzz_fuzz_rows_SOURCES = tests/fuzz/fuzz-rows.c $(FUZZ_REPLAY)
tests_fuzz_fuzz_rows_CPPFLAGS = $(core_libcore_a_CPPFLAGS) $(PQ_CFLAGS)
tests_fuzz_fuzz_rows_LDADD = $(CORE_LIBS)

FUZZ_TARGETS += catalog
check_PROGRAMS += tests/fuzz/fuzz-catalog
TESTS += tests/fuzz/fuzz-catalog
tests_fuzz_fuzz_catalog_SOURCES = tests/fuzz/fuzz-catalog.c $(FUZZ_REPLAY)
tests_fuzz_fuzz_catalog_CPPFLAGS = $(core_libcore_a_CPPFLAGS) $(PQ_CFLAGS)
tests_fuzz_fuzz_catalog_LDADD = $(CORE_LIBS) $(PQ_LIBS)
endif

FUZZ_TARGETS += bundle
check_PROGRAMS += tests/fuzz/fuzz-bundle
TESTS += tests/fuzz/fuzz-bundle
tests_fuzz_fuzz_bundle_SOURCES = tests/fuzz/fuzz-bundle.c \
	plugins/stream.nats/bundle.c plugins/stream.nats/bundle.h \
	$(FUZZ_REPLAY)
tests_fuzz_fuzz_bundle_CPPFLAGS = $(core_libcore_a_CPPFLAGS)
tests_fuzz_fuzz_bundle_LDADD = $(CORE_LIBS)

FUZZ_TARGETS += webhook
check_PROGRAMS += tests/fuzz/fuzz-webhook
TESTS += tests/fuzz/fuzz-webhook
tests_fuzz_fuzz_webhook_SOURCES = tests/fuzz/fuzz-webhook.c $(FUZZ_REPLAY)
tests_fuzz_fuzz_webhook_CPPFLAGS = $(core_libcore_a_CPPFLAGS)
tests_fuzz_fuzz_webhook_LDADD = $(CORE_LIBS)

FUZZ_TARGETS += network
check_PROGRAMS += tests/fuzz/fuzz-network
TESTS += tests/fuzz/fuzz-network
tests_fuzz_fuzz_network_SOURCES = tests/fuzz/fuzz-network.c $(FUZZ_REPLAY)
tests_fuzz_fuzz_network_CPPFLAGS = $(core_libcore_a_CPPFLAGS)
tests_fuzz_fuzz_network_LDADD = $(CORE_LIBS)

FUZZ_TARGETS += retry
check_PROGRAMS += tests/fuzz/fuzz-retry
TESTS += tests/fuzz/fuzz-retry
tests_fuzz_fuzz_retry_SOURCES = tests/fuzz/fuzz-retry.c $(FUZZ_REPLAY)
tests_fuzz_fuzz_retry_CPPFLAGS = $(core_libcore_a_CPPFLAGS)
tests_fuzz_fuzz_retry_LDADD = $(CORE_LIBS)

if PLUGIN_EMAIL_OUT
FUZZ_TARGETS += mail
check_PROGRAMS += tests/fuzz/fuzz-mail
TESTS += tests/fuzz/fuzz-mail
tests_fuzz_fuzz_mail_SOURCES = tests/fuzz/fuzz-mail.c $(FUZZ_REPLAY)
tests_fuzz_fuzz_mail_CPPFLAGS = $(core_libcore_a_CPPFLAGS) $(CURL_CFLAGS)
tests_fuzz_fuzz_mail_LDADD = $(CORE_LIBS)
endif

FUZZ_TARGETS += words
check_PROGRAMS += tests/fuzz/fuzz-words
TESTS += tests/fuzz/fuzz-words
tests_fuzz_fuzz_words_SOURCES = tests/fuzz/fuzz-words.c $(FUZZ_REPLAY)
tests_fuzz_fuzz_words_CPPFLAGS = $(core_libcore_a_CPPFLAGS)
tests_fuzz_fuzz_words_LDADD = $(CORE_LIBS)

FUZZ_TARGETS += count
check_PROGRAMS += tests/fuzz/fuzz-count
TESTS += tests/fuzz/fuzz-count
tests_fuzz_fuzz_count_SOURCES = tests/fuzz/fuzz-count.c $(FUZZ_REPLAY)
tests_fuzz_fuzz_count_CPPFLAGS = $(core_libcore_a_CPPFLAGS)
tests_fuzz_fuzz_count_LDADD = $(CORE_LIBS)

FUZZ_TARGETS += pii
check_PROGRAMS += tests/fuzz/fuzz-pii
TESTS += tests/fuzz/fuzz-pii
tests_fuzz_fuzz_pii_SOURCES = tests/fuzz/fuzz-pii.c $(FUZZ_REPLAY)
tests_fuzz_fuzz_pii_CPPFLAGS = $(core_libcore_a_CPPFLAGS)
tests_fuzz_fuzz_pii_LDADD = $(CORE_LIBS)

FUZZ_TARGETS += scrub
check_PROGRAMS += tests/fuzz/fuzz-scrub
TESTS += tests/fuzz/fuzz-scrub
tests_fuzz_fuzz_scrub_SOURCES = tests/fuzz/fuzz-scrub.c $(FUZZ_REPLAY)
tests_fuzz_fuzz_scrub_CPPFLAGS = $(core_libcore_a_CPPFLAGS)
tests_fuzz_fuzz_scrub_LDADD = $(CORE_LIBS)

FUZZ_TARGETS += config
check_PROGRAMS += tests/fuzz/fuzz-config
TESTS += tests/fuzz/fuzz-config
tests_fuzz_fuzz_config_SOURCES = tests/fuzz/fuzz-config.c \
	tests/fuzz/folder.h $(FUZZ_REPLAY)
tests_fuzz_fuzz_config_CPPFLAGS = $(core_libcore_a_CPPFLAGS)
tests_fuzz_fuzz_config_LDADD = $(CORE_LIBS)

FUZZ_TARGETS += control
check_PROGRAMS += tests/fuzz/fuzz-control
TESTS += tests/fuzz/fuzz-control
tests_fuzz_fuzz_control_SOURCES = tests/fuzz/fuzz-control.c \
	tests/fuzz/folder.h $(FUZZ_REPLAY)
tests_fuzz_fuzz_control_CPPFLAGS = $(core_libcore_a_CPPFLAGS)
tests_fuzz_fuzz_control_LDADD = $(CORE_LIBS)

FUZZ_TARGETS += dead
check_PROGRAMS += tests/fuzz/fuzz-dead
TESTS += tests/fuzz/fuzz-dead
tests_fuzz_fuzz_dead_SOURCES = tests/fuzz/fuzz-dead.c $(FUZZ_REPLAY)
tests_fuzz_fuzz_dead_CPPFLAGS = $(core_libcore_a_CPPFLAGS)
tests_fuzz_fuzz_dead_LDADD = $(CORE_LIBS)

FUZZ_TARGETS += parked
check_PROGRAMS += tests/fuzz/fuzz-parked
TESTS += tests/fuzz/fuzz-parked
tests_fuzz_fuzz_parked_SOURCES = tests/fuzz/fuzz-parked.c $(FUZZ_REPLAY)
tests_fuzz_fuzz_parked_CPPFLAGS = $(core_libcore_a_CPPFLAGS)
tests_fuzz_fuzz_parked_LDADD = $(CORE_LIBS)

FUZZ_TARGETS += entity
check_PROGRAMS += tests/fuzz/fuzz-entity
TESTS += tests/fuzz/fuzz-entity
tests_fuzz_fuzz_entity_SOURCES = tests/fuzz/fuzz-entity.c \
	tests/fuzz/folder.h $(FUZZ_REPLAY)
tests_fuzz_fuzz_entity_CPPFLAGS = $(core_libcore_a_CPPFLAGS)
tests_fuzz_fuzz_entity_LDADD = $(CORE_LIBS)

FUZZ_TARGETS += handover
check_PROGRAMS += tests/fuzz/fuzz-handover
TESTS += tests/fuzz/fuzz-handover
tests_fuzz_fuzz_handover_SOURCES = tests/fuzz/fuzz-handover.c $(FUZZ_REPLAY)
tests_fuzz_fuzz_handover_CPPFLAGS = $(core_libcore_a_CPPFLAGS)
tests_fuzz_fuzz_handover_LDADD = $(CORE_LIBS)

FUZZ_TARGETS += http
check_PROGRAMS += tests/fuzz/fuzz-http
TESTS += tests/fuzz/fuzz-http
tests_fuzz_fuzz_http_SOURCES = tests/fuzz/fuzz-http.c $(FUZZ_REPLAY)
tests_fuzz_fuzz_http_CPPFLAGS = $(core_libcore_a_CPPFLAGS)
tests_fuzz_fuzz_http_LDADD = $(CORE_LIBS)

FUZZ_TARGETS += idem
check_PROGRAMS += tests/fuzz/fuzz-idem
TESTS += tests/fuzz/fuzz-idem
tests_fuzz_fuzz_idem_SOURCES = tests/fuzz/fuzz-idem.c \
	tests/fuzz/folder.h $(FUZZ_REPLAY)
tests_fuzz_fuzz_idem_CPPFLAGS = $(core_libcore_a_CPPFLAGS)
tests_fuzz_fuzz_idem_LDADD = $(CORE_LIBS)

FUZZ_TARGETS += ref
check_PROGRAMS += tests/fuzz/fuzz-ref
TESTS += tests/fuzz/fuzz-ref
tests_fuzz_fuzz_ref_SOURCES = tests/fuzz/fuzz-ref.c \
	tests/unit/event_fixture.h $(FUZZ_REPLAY)
tests_fuzz_fuzz_ref_CPPFLAGS = $(core_libcore_a_CPPFLAGS)
tests_fuzz_fuzz_ref_LDADD = $(CORE_LIBS)

fuzz: config.h
	@CLANG='$(CLANG)' FUZZ_TIME='$(FUZZ_TIME)' SRCDIR='$(srcdir)' \
	SOURCES='$(core_libcore_a_SOURCES)' LIBS='$(CORE_LIBS) $(PQ_LIBS) $(LIBS)' \
	$(SHELL) $(srcdir)/tests/fuzz/run.sh $(FUZZ) -- \
	$(DEFS) $(DEFAULT_INCLUDES) $(core_libcore_a_CPPFLAGS) $(PQ_CFLAGS)
.PHONY: fuzz

clean-local: clean-fuzz
clean-fuzz:
	rm -rf tests/fuzz/build
.PHONY: clean-fuzz
