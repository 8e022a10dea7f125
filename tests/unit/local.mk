# unit tests

check_PROGRAMS += tests/unit/test-metrics
TESTS += tests/unit/test-metrics
tests_unit_test_metrics_SOURCES = tests/unit/test-metrics.c
tests_unit_test_metrics_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_metrics_LDADD = $(UNIT_LIBS)

check_PROGRAMS += tests/unit/test-dead
TESTS += tests/unit/test-dead
tests_unit_test_dead_SOURCES = tests/unit/test-dead.c tests/unit/tempdir.h
tests_unit_test_dead_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_dead_LDADD = $(UNIT_LIBS)
check_PROGRAMS += tests/unit/test-store
TESTS += tests/unit/test-store
tests_unit_test_store_SOURCES = tests/unit/test-store.c tests/unit/tempdir.h
tests_unit_test_store_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_store_LDADD = $(UNIT_LIBS)

PARKED_WORLD = tests/unit/parked_world.c tests/unit/parked_world.h \
	tests/unit/tempdir.h tests/unit/slow.h
check_PROGRAMS += tests/unit/test-parked
TESTS += tests/unit/test-parked
tests_unit_test_parked_SOURCES = tests/unit/test-parked.c $(PARKED_WORLD)
tests_unit_test_parked_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_parked_LDADD = $(UNIT_LIBS)
check_PROGRAMS += tests/unit/test-parked-retries
TESTS += tests/unit/test-parked-retries
tests_unit_test_parked_retries_SOURCES = tests/unit/test-parked-retries.c $(PARKED_WORLD)
tests_unit_test_parked_retries_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_parked_retries_LDADD = $(UNIT_LIBS)
check_PROGRAMS += tests/unit/test-parked-faults
TESTS += tests/unit/test-parked-faults
tests_unit_test_parked_faults_SOURCES = tests/unit/test-parked-faults.c $(PARKED_WORLD)
tests_unit_test_parked_faults_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_parked_faults_LDADD = $(UNIT_LIBS)

check_PROGRAMS += tests/unit/test-table
TESTS += tests/unit/test-table
tests_unit_test_table_SOURCES = tests/unit/test-table.c
tests_unit_test_table_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_table_LDADD = $(UNIT_LIBS)

check_PROGRAMS += tests/unit/test-cells
TESTS += tests/unit/test-cells
tests_unit_test_cells_SOURCES = tests/unit/test-cells.c
tests_unit_test_cells_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_cells_LDADD = $(UNIT_LIBS)

check_PROGRAMS += tests/unit/test-cond
TESTS += tests/unit/test-cond
tests_unit_test_cond_SOURCES = tests/unit/test-cond.c
tests_unit_test_cond_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_cond_LDADD = $(UNIT_LIBS)

check_PROGRAMS += tests/unit/test-digits
TESTS += tests/unit/test-digits
tests_unit_test_digits_SOURCES = tests/unit/test-digits.c
tests_unit_test_digits_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_digits_LDADD = $(UNIT_LIBS)

check_PROGRAMS += tests/unit/test-secret
TESTS += tests/unit/test-secret
tests_unit_test_secret_SOURCES = tests/unit/test-secret.c
tests_unit_test_secret_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_secret_LDADD = $(UNIT_LIBS)

check_PROGRAMS += tests/unit/test-file
TESTS += tests/unit/test-file
tests_unit_test_file_SOURCES = tests/unit/test-file.c tests/unit/tempdir.h
tests_unit_test_file_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_file_LDADD = $(UNIT_LIBS)

check_PROGRAMS += tests/unit/test-conf
TESTS += tests/unit/test-conf
tests_unit_test_conf_SOURCES = tests/unit/test-conf.c
tests_unit_test_conf_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_conf_LDADD = $(UNIT_LIBS)

check_PROGRAMS += tests/unit/test-options
TESTS += tests/unit/test-options
tests_unit_test_options_SOURCES = tests/unit/test-options.c
tests_unit_test_options_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_options_LDADD = $(UNIT_LIBS)

check_PROGRAMS += tests/unit/test-csv
TESTS += tests/unit/test-csv
tests_unit_test_csv_SOURCES = tests/unit/test-csv.c
tests_unit_test_csv_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_csv_LDADD = $(UNIT_LIBS)

check_PROGRAMS += tests/unit/test-when
TESTS += tests/unit/test-when
tests_unit_test_when_SOURCES = tests/unit/test-when.c
tests_unit_test_when_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_when_LDADD = $(UNIT_LIBS)

check_PROGRAMS += tests/unit/test-entity
TESTS += tests/unit/test-entity
tests_unit_test_entity_SOURCES = tests/unit/test-entity.c
tests_unit_test_entity_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_entity_LDADD = $(UNIT_LIBS)

check_PROGRAMS += tests/unit/test-http
TESTS += tests/unit/test-http
tests_unit_test_http_SOURCES = tests/unit/test-http.c \
	tests/unit/http_server.h tests/unit/http_talk.h
tests_unit_test_http_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_http_LDADD = $(UNIT_LIBS)
check_PROGRAMS += tests/unit/test-http-conn
TESTS += tests/unit/test-http-conn
tests_unit_test_http_conn_SOURCES = tests/unit/test-http-conn.c \
	tests/unit/http_server.h tests/unit/http_talk.h
tests_unit_test_http_conn_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_http_conn_LDADD = $(UNIT_LIBS)
check_PROGRAMS += tests/unit/test-http-edges
TESTS += tests/unit/test-http-edges
tests_unit_test_http_edges_SOURCES = tests/unit/test-http-edges.c \
	tests/unit/http_server.h tests/unit/http_talk.h tests/unit/tempdir.h
tests_unit_test_http_edges_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_http_edges_LDADD = $(UNIT_LIBS)
check_PROGRAMS += tests/unit/test-http-stream
TESTS += tests/unit/test-http-stream
tests_unit_test_http_stream_SOURCES = tests/unit/test-http-stream.c \
	tests/unit/http_server.h tests/unit/http_talk.h
tests_unit_test_http_stream_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_http_stream_LDADD = $(UNIT_LIBS)
check_PROGRAMS += tests/unit/test-progress
TESTS += tests/unit/test-progress
tests_unit_test_progress_SOURCES = tests/unit/test-progress.c
tests_unit_test_progress_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_progress_LDADD = $(UNIT_LIBS)
check_PROGRAMS += tests/unit/test-jobs
TESTS += tests/unit/test-jobs
tests_unit_test_jobs_SOURCES = tests/unit/test-jobs.c \
	tests/unit/http_server.h tests/unit/http_talk.h
tests_unit_test_jobs_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_jobs_LDADD = $(UNIT_LIBS)
check_PROGRAMS += tests/unit/test-http-leave
TESTS += tests/unit/test-http-leave
tests_unit_test_http_leave_SOURCES = tests/unit/test-http-leave.c \
	tests/unit/http_server.h tests/unit/http_talk.h tests/unit/tempdir.h
tests_unit_test_http_leave_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_http_leave_LDADD = $(UNIT_LIBS)
check_PROGRAMS += tests/unit/test-handover
TESTS += tests/unit/test-handover
tests_unit_test_handover_SOURCES = tests/unit/test-handover.c
tests_unit_test_handover_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_handover_LDADD = $(UNIT_LIBS)
check_PROGRAMS += tests/unit/test-ip
TESTS += tests/unit/test-ip
tests_unit_test_ip_SOURCES = tests/unit/test-ip.c
tests_unit_test_ip_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_ip_LDADD = $(UNIT_LIBS)
check_PROGRAMS += tests/unit/test-entity-api
TESTS += tests/unit/test-entity-api
tests_unit_test_entity_api_SOURCES = tests/unit/test-entity-api.c
tests_unit_test_entity_api_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_entity_api_LDADD = $(UNIT_LIBS)

check_PROGRAMS += tests/unit/test-spool
TESTS += tests/unit/test-spool
tests_unit_test_spool_SOURCES = tests/unit/test-spool.c tests/unit/spool-help.h
tests_unit_test_spool_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_spool_LDADD = $(UNIT_LIBS)

check_PROGRAMS += tests/unit/test-spool-crash
TESTS += tests/unit/test-spool-crash
tests_unit_test_spool_crash_SOURCES = tests/unit/test-spool-crash.c \
	tests/unit/disk.c tests/unit/disk.h tests/unit/spool-help.h
tests_unit_test_spool_crash_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_spool_crash_LDADD = $(UNIT_LIBS)

check_PROGRAMS += tests/unit/test-spool-reuse
TESTS += tests/unit/test-spool-reuse
tests_unit_test_spool_reuse_SOURCES = tests/unit/test-spool-reuse.c \
	tests/unit/spool-help.h
tests_unit_test_spool_reuse_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_spool_reuse_LDADD = $(UNIT_LIBS)

check_PROGRAMS += tests/unit/test-entity-import
TESTS += tests/unit/test-entity-import
tests_unit_test_entity_import_SOURCES = tests/unit/test-entity-import.c
tests_unit_test_entity_import_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_entity_import_LDADD = $(UNIT_LIBS)

check_PROGRAMS += tests/unit/test-batch
TESTS += tests/unit/test-batch
tests_unit_test_batch_SOURCES = tests/unit/test-batch.c tests/unit/tempdir.h
tests_unit_test_batch_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_batch_LDADD = $(UNIT_LIBS)

check_PROGRAMS += tests/unit/test-batch-edit
TESTS += tests/unit/test-batch-edit
tests_unit_test_batch_edit_SOURCES = tests/unit/test-batch-edit.c
tests_unit_test_batch_edit_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_batch_edit_LDADD = $(UNIT_LIBS)

check_PROGRAMS += tests/unit/test-cursor
TESTS += tests/unit/test-cursor
tests_unit_test_cursor_SOURCES = tests/unit/test-cursor.c tests/unit/tempdir.h
tests_unit_test_cursor_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_cursor_LDADD = $(UNIT_LIBS)
check_PROGRAMS += tests/unit/test-expr-explains
TESTS += tests/unit/test-expr-explains
tests_unit_test_expr_explains_SOURCES = tests/unit/test-expr-explains.c tests/unit/event_fixture.h
tests_unit_test_expr_explains_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_expr_explains_LDADD = $(UNIT_LIBS)

check_PROGRAMS += tests/unit/test-expr
TESTS += tests/unit/test-expr
tests_unit_test_expr_SOURCES = tests/unit/test-expr.c tests/unit/event_fixture.h
tests_unit_test_expr_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_expr_LDADD = $(UNIT_LIBS)
check_PROGRAMS += tests/unit/test-json
TESTS += tests/unit/test-json
tests_unit_test_json_SOURCES = tests/unit/test-json.c
tests_unit_test_json_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_json_LDADD = $(UNIT_LIBS)

check_PROGRAMS += tests/unit/test-json-out
TESTS += tests/unit/test-json-out
tests_unit_test_json_out_SOURCES = tests/unit/test-json-out.c
tests_unit_test_json_out_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_json_out_LDADD = $(UNIT_LIBS)

check_PROGRAMS += tests/unit/test-json-reader
TESTS += tests/unit/test-json-reader
tests_unit_test_json_reader_SOURCES = tests/unit/test-json-reader.c
tests_unit_test_json_reader_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_json_reader_LDADD = $(UNIT_LIBS)

check_PROGRAMS += tests/unit/test-json-write
TESTS += tests/unit/test-json-write
tests_unit_test_json_write_SOURCES = tests/unit/test-json-write.c
tests_unit_test_json_write_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_json_write_LDADD = $(UNIT_LIBS)

check_PROGRAMS += tests/unit/test-msg
TESTS += tests/unit/test-msg
tests_unit_test_msg_SOURCES = tests/unit/test-msg.c
tests_unit_test_msg_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_msg_LDADD = $(UNIT_LIBS) $(MSGPACK_LIBS)

check_PROGRAMS += tests/unit/test-event
TESTS += tests/unit/test-event
tests_unit_test_event_SOURCES = tests/unit/test-event.c
tests_unit_test_event_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_event_LDADD = $(UNIT_LIBS)

check_PROGRAMS += tests/unit/test-schema
TESTS += tests/unit/test-schema
tests_unit_test_schema_SOURCES = tests/unit/test-schema.c
tests_unit_test_schema_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_schema_LDADD = $(UNIT_LIBS)

check_PROGRAMS += tests/unit/test-schema-rules
TESTS += tests/unit/test-schema-rules
tests_unit_test_schema_rules_SOURCES = tests/unit/test-schema-rules.c
tests_unit_test_schema_rules_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_schema_rules_LDADD = $(UNIT_LIBS)

# The codec as it is on machines without SSE2.
check_PROGRAMS += tests/unit/test-json-portable
TESTS += tests/unit/test-json-portable
tests_unit_test_json_portable_SOURCES = tests/unit/test-json.c \
	core/codec/json_string.c core/codec/json_value.c core/codec/json_write.c core/codec/msg_check.c \
	core/base/wtf8.c
tests_unit_test_json_portable_CPPFLAGS = $(UNIT_CPPFLAGS) -U__SSE2__
tests_unit_test_json_portable_LDADD = $(UNIT_LIBS)
check_PROGRAMS += tests/unit/test-number
TESTS += tests/unit/test-number
tests_unit_test_number_SOURCES = tests/unit/test-number.c
tests_unit_test_number_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_number_LDADD = $(UNIT_LIBS)

check_PROGRAMS += tests/unit/test-row
TESTS += tests/unit/test-row
tests_unit_test_row_SOURCES = tests/unit/test-row.c tests/unit/event_fixture.h
tests_unit_test_row_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_row_LDADD = $(UNIT_LIBS)
check_PROGRAMS += tests/unit/test-ref
TESTS += tests/unit/test-ref
tests_unit_test_ref_SOURCES = tests/unit/test-ref.c tests/unit/event_fixture.h
tests_unit_test_ref_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_ref_LDADD = $(UNIT_LIBS)

check_PROGRAMS += tests/unit/test-template
TESTS += tests/unit/test-template
tests_unit_test_template_SOURCES = tests/unit/test-template.c tests/unit/event_fixture.h
tests_unit_test_template_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_template_LDADD = $(UNIT_LIBS)

TESTS += tests/unit/test-eval.sh
EXTRA_DIST += tests/unit/test-eval.sh
# A lane, its fake destination and the world around both.
LANE_WORLD = tests/unit/lane_world.c tests/unit/lane_world.h \
	tests/unit/fake.c tests/unit/fake.h tests/unit/tempdir.h
check_PROGRAMS += tests/unit/test-lane
TESTS += tests/unit/test-lane
tests_unit_test_lane_SOURCES = tests/unit/test-lane.c $(LANE_WORLD)
tests_unit_test_lane_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_lane_LDADD = $(UNIT_LIBS)
check_PROGRAMS += tests/unit/test-lane-begins
TESTS += tests/unit/test-lane-begins
tests_unit_test_lane_begins_SOURCES = tests/unit/test-lane-begins.c $(LANE_WORLD)
tests_unit_test_lane_begins_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_lane_begins_LDADD = $(UNIT_LIBS)
check_PROGRAMS += tests/unit/test-lane-faults
TESTS += tests/unit/test-lane-faults
tests_unit_test_lane_faults_SOURCES = tests/unit/test-lane-faults.c \
	$(LANE_WORLD)
tests_unit_test_lane_faults_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_lane_faults_LDADD = $(UNIT_LIBS)

check_PROGRAMS += tests/unit/test-lane-again
TESTS += tests/unit/test-lane-again
tests_unit_test_lane_again_SOURCES = tests/unit/test-lane-again.c $(LANE_WORLD)
tests_unit_test_lane_again_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_lane_again_LDADD = $(UNIT_LIBS)
check_PROGRAMS += tests/unit/test-lane-decided
TESTS += tests/unit/test-lane-decided
tests_unit_test_lane_decided_SOURCES = tests/unit/test-lane-decided.c $(LANE_WORLD)
tests_unit_test_lane_decided_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_lane_decided_LDADD = $(UNIT_LIBS)
check_PROGRAMS += tests/unit/test-lane-timed
TESTS += tests/unit/test-lane-timed
tests_unit_test_lane_timed_SOURCES = tests/unit/test-lane-timed.c $(LANE_WORLD)
tests_unit_test_lane_timed_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_lane_timed_LDADD = $(UNIT_LIBS)
check_PROGRAMS += tests/unit/test-lane-letters
TESTS += tests/unit/test-lane-letters
tests_unit_test_lane_letters_SOURCES = tests/unit/test-lane-letters.c $(LANE_WORLD)
tests_unit_test_lane_letters_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_lane_letters_LDADD = $(UNIT_LIBS)
check_PROGRAMS += tests/unit/test-lane-parked
TESTS += tests/unit/test-lane-parked
tests_unit_test_lane_parked_SOURCES = tests/unit/test-lane-parked.c $(LANE_WORLD)
tests_unit_test_lane_parked_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_lane_parked_LDADD = $(UNIT_LIBS)
check_PROGRAMS += tests/unit/test-lane-pauses
TESTS += tests/unit/test-lane-pauses
tests_unit_test_lane_pauses_SOURCES = tests/unit/test-lane-pauses.c $(LANE_WORLD)
tests_unit_test_lane_pauses_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_lane_pauses_LDADD = $(UNIT_LIBS)
check_PROGRAMS += tests/unit/test-lane-sizes
TESTS += tests/unit/test-lane-sizes
tests_unit_test_lane_sizes_SOURCES = tests/unit/test-lane-sizes.c
tests_unit_test_lane_sizes_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_lane_sizes_LDADD = $(UNIT_LIBS)
check_PROGRAMS += tests/unit/test-lane-retries
TESTS += tests/unit/test-lane-retries
tests_unit_test_lane_retries_SOURCES = tests/unit/test-lane-retries.c $(LANE_WORLD)
tests_unit_test_lane_retries_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_lane_retries_LDADD = $(UNIT_LIBS)
check_PROGRAMS += tests/unit/test-lane-stops
TESTS += tests/unit/test-lane-stops
tests_unit_test_lane_stops_SOURCES = tests/unit/test-lane-stops.c $(LANE_WORLD)
tests_unit_test_lane_stops_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_lane_stops_LDADD = $(UNIT_LIBS)
check_PROGRAMS += tests/unit/test-runs
TESTS += tests/unit/test-runs
tests_unit_test_runs_SOURCES = tests/unit/test-runs.c tests/unit/spool-help.h
tests_unit_test_runs_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_runs_LDADD = $(UNIT_LIBS)
check_PROGRAMS += tests/unit/test-idem
TESTS += tests/unit/test-idem
tests_unit_test_idem_SOURCES = tests/unit/test-idem.c tests/unit/slow.h \
	tests/unit/spool-help.h
tests_unit_test_idem_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_idem_LDADD = $(UNIT_LIBS)
check_PROGRAMS += tests/unit/test-idem-table
TESTS += tests/unit/test-idem-table
tests_unit_test_idem_table_SOURCES = tests/unit/test-idem-table.c
tests_unit_test_idem_table_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_idem_table_LDADD = $(UNIT_LIBS)

check_PROGRAMS += tests/unit/test-gate-emit tests/unit/test-gate-marks
TESTS += tests/unit/test-gate-emit tests/unit/test-gate-marks
tests_unit_test_gate_emit_SOURCES = tests/unit/test-gate-emit.c \
	tests/unit/gate_world.c tests/unit/gate_world.h tests/unit/tempdir.h
tests_unit_test_gate_emit_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_gate_emit_LDADD = $(UNIT_LIBS)
tests_unit_test_gate_marks_SOURCES = tests/unit/test-gate-marks.c \
	tests/unit/disk.c tests/unit/disk.h \
	tests/unit/gate_world.c tests/unit/gate_world.h tests/unit/tempdir.h
tests_unit_test_gate_marks_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_gate_marks_LDADD = $(UNIT_LIBS)

check_PROGRAMS += tests/unit/test-gate
TESTS += tests/unit/test-gate
tests_unit_test_gate_SOURCES = tests/unit/test-gate.c tests/unit/tempdir.h
tests_unit_test_gate_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_gate_LDADD = $(UNIT_LIBS)
check_PROGRAMS += tests/unit/test-command-dead
TESTS += tests/unit/test-command-dead
tests_unit_test_command_dead_SOURCES = tests/unit/test-command-dead.c \
	tests/unit/tempdir.h
tests_unit_test_command_dead_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_command_dead_LDADD = $(UNIT_LIBS)
check_PROGRAMS += tests/unit/test-serial
TESTS += tests/unit/test-serial
tests_unit_test_serial_SOURCES = tests/unit/test-serial.c
tests_unit_test_serial_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_serial_LDADD = $(UNIT_LIBS)
check_PROGRAMS += tests/unit/test-spool-recovery
TESTS += tests/unit/test-spool-recovery
tests_unit_test_spool_recovery_SOURCES = tests/unit/test-spool-recovery.c \
	tests/unit/spool-help.h
tests_unit_test_spool_recovery_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_spool_recovery_LDADD = $(UNIT_LIBS)

check_PROGRAMS += tests/unit/test-spool-errors
TESTS += tests/unit/test-spool-errors
tests_unit_test_spool_errors_SOURCES = tests/unit/test-spool-errors.c \
	tests/unit/spool-help.h
tests_unit_test_spool_errors_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_spool_errors_LDADD = $(UNIT_LIBS)

check_PROGRAMS += tests/unit/test-rate tests/unit/test-origin
TESTS += tests/unit/test-rate tests/unit/test-origin
tests_unit_test_rate_SOURCES = tests/unit/test-rate.c
tests_unit_test_rate_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_rate_LDADD = $(UNIT_LIBS)
tests_unit_test_origin_SOURCES = tests/unit/test-origin.c
tests_unit_test_origin_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_origin_LDADD = $(UNIT_LIBS)

check_PROGRAMS += tests/unit/test-backlog
TESTS += tests/unit/test-backlog
tests_unit_test_backlog_SOURCES = tests/unit/test-backlog.c
tests_unit_test_backlog_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_backlog_LDADD = $(UNIT_LIBS)

check_PROGRAMS += tests/unit/test-instance
TESTS += tests/unit/test-instance
tests_unit_test_instance_SOURCES = tests/unit/test-instance.c \
	tests/unit/tempdir.h
tests_unit_test_instance_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_instance_LDADD = $(UNIT_LIBS)

check_PROGRAMS += tests/unit/test-plain
TESTS += tests/unit/test-plain
tests_unit_test_plain_SOURCES = tests/unit/test-plain.c
tests_unit_test_plain_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_plain_LDADD = $(UNIT_LIBS)
