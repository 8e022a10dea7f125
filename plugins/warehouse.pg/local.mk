# warehouse.pg
plugin_LTLIBRARIES += plugins/warehouse.pg/warehouse.pg.la
plugins_warehouse_pg_warehouse_pg_la_SOURCES = \
	plugins/warehouse.pg/attempt.c \
	plugins/warehouse.pg/catalog.c \
	plugins/warehouse.pg/catalog.h \
	plugins/warehouse.pg/changes.c \
	plugins/warehouse.pg/changes.h \
	plugins/warehouse.pg/changes_apply.c \
	plugins/warehouse.pg/conflict.c \
	plugins/warehouse.pg/conflict.h \
	plugins/warehouse.pg/conn.h \
	plugins/warehouse.pg/copy.c \
	plugins/warehouse.pg/copy.h \
	plugins/warehouse.pg/copy_judge.c \
	plugins/warehouse.pg/copy_rows.c \
	plugins/warehouse.pg/ddl.c \
	plugins/warehouse.pg/ddl.h \
	plugins/warehouse.pg/decimal.c \
	plugins/warehouse.pg/decimal.h \
	plugins/warehouse.pg/delivery.c \
	plugins/warehouse.pg/delivery.h \
	plugins/warehouse.pg/encode.c \
	plugins/warehouse.pg/encode.h \
	plugins/warehouse.pg/encode_field.c \
	plugins/warehouse.pg/find.c \
	plugins/warehouse.pg/find.h \
	plugins/warehouse.pg/fold.c \
	plugins/warehouse.pg/fold.h \
	plugins/warehouse.pg/job.h \
	plugins/warehouse.pg/lanes.c \
	plugins/warehouse.pg/lanes.h \
	plugins/warehouse.pg/lanes_claim.c \
	plugins/warehouse.pg/lanes_epoch.c \
	plugins/warehouse.pg/lanes_move.c \
	plugins/warehouse.pg/options.h \
	plugins/warehouse.pg/partition.c \
	plugins/warehouse.pg/partition.h \
	plugins/warehouse.pg/partition_make.c \
	plugins/warehouse.pg/partition_row.c \
	plugins/warehouse.pg/pg.c \
	plugins/warehouse.pg/pg.h \
	plugins/warehouse.pg/plan.c \
	plugins/warehouse.pg/plan.h \
	plugins/warehouse.pg/probe.c \
	plugins/warehouse.pg/probe.h \
	plugins/warehouse.pg/put.h \
	plugins/warehouse.pg/put_numeric.c \
	plugins/warehouse.pg/put_record.c \
	plugins/warehouse.pg/put_scalar.c \
	plugins/warehouse.pg/put_text.c \
	plugins/warehouse.pg/put_time.c \
	plugins/warehouse.pg/replay.c \
	plugins/warehouse.pg/replay.h \
	plugins/warehouse.pg/replay_rows.c \
	plugins/warehouse.pg/show.c \
	plugins/warehouse.pg/show.h \
	plugins/warehouse.pg/worker.c
plugins_warehouse_pg_warehouse_pg_la_CPPFLAGS = $(PLUGIN_CPPFLAGS) $(PQ_CFLAGS)
plugins_warehouse_pg_warehouse_pg_la_CFLAGS = $(PLUGIN_CFLAGS)
plugins_warehouse_pg_warehouse_pg_la_LDFLAGS = $(PLUGIN_LINK)
plugins_warehouse_pg_warehouse_pg_la_LIBADD = \
	plugins/warehouse.pg/liblink.la -lm

# What connects: entities.pg has it, too.
noinst_LTLIBRARIES += plugins/warehouse.pg/liblink.la
plugins_warehouse_pg_liblink_la_SOURCES = \
	plugins/warehouse.pg/connection.c \
	plugins/warehouse.pg/connection.h \
	plugins/warehouse.pg/fault.c \
	plugins/warehouse.pg/fault.h \
	plugins/warehouse.pg/hosts.c \
	plugins/warehouse.pg/hosts.h \
	plugins/warehouse.pg/link.c \
	plugins/warehouse.pg/link.h \
	plugins/warehouse.pg/link_cancel.c \
	plugins/warehouse.pg/link_resolve.c \
	plugins/warehouse.pg/link_watch.c \
	plugins/warehouse.pg/sql.c \
	plugins/warehouse.pg/sql.h
plugins_warehouse_pg_liblink_la_CPPFLAGS = $(PLUGIN_CPPFLAGS) $(PQ_CFLAGS)
plugins_warehouse_pg_liblink_la_CFLAGS = $(PLUGIN_CFLAGS)
plugins_warehouse_pg_liblink_la_LIBADD = $(PQ_LIBS) -lpthread

# The test programs need a server; each has a script that starts one.
PG_TEST_CPPFLAGS = $(TESTHOST_CPPFLAGS) $(PQ_CFLAGS) $(CHECK_CFLAGS) \
	-D_GNU_SOURCE
PG_TEST_LIBS = $(TESTHOST_LIBS) $(PQ_LIBS) $(CHECK_LIBS)
pg_test_scripts = \
	plugins/warehouse.pg/tests/test-pg-conflict.sh \
	plugins/warehouse.pg/tests/test-pg-connections.sh \
	plugins/warehouse.pg/tests/test-pg-faults.sh \
	plugins/warehouse.pg/tests/test-pg-half-open.sh \
	plugins/warehouse.pg/tests/test-pg-modes.sh \
	plugins/warehouse.pg/tests/test-pg-refused.sh \
	plugins/warehouse.pg/tests/test-pg-rows.sh \
	plugins/warehouse.pg/tests/test-pg-types.sh
dist_man_MANS += plugins/warehouse.pg/warehouse.pg.5
EXTRA_DIST += plugins/warehouse.pg/warehouse.pg.conf \
	plugins/warehouse.pg/tests/run-with-postgres.sh \
	plugins/warehouse.pg/tests/test-pg-check.sh \
	plugins/warehouse.pg/tests/test-pg-check-conflict.sh \
	plugins/warehouse.pg/tests/test-pg-check-foresees-start.sh \
	plugins/warehouse.pg/tests/test-pg-lone-row-is-judged.py \
	plugins/warehouse.pg/tests/test-pg-partitions.py \
	plugins/warehouse.pg/tests/test-pg-plan-and-apply.py \
	plugins/warehouse.pg/tests/test-pg-resolver-delays-nobody.py \
	plugins/warehouse.pg/tests/test-pg-rows-are-foreseen.py \
	plugins/warehouse.pg/tests/pgtest.h plugins/warehouse.pg/tests/proxy.h \
	$(pg_test_scripts)
if HAVE_CHECK
check_PROGRAMS += \
	plugins/warehouse.pg/tests/test-pg-conflict \
	plugins/warehouse.pg/tests/test-pg-connections \
	plugins/warehouse.pg/tests/test-pg-faults \
	plugins/warehouse.pg/tests/test-pg-half-open \
	plugins/warehouse.pg/tests/test-pg-modes \
	plugins/warehouse.pg/tests/test-pg-refused \
	plugins/warehouse.pg/tests/test-pg-rows \
	plugins/warehouse.pg/tests/test-pg-types
plugins_warehouse_pg_tests_test_pg_conflict_CPPFLAGS = $(PG_TEST_CPPFLAGS)
plugins_warehouse_pg_tests_test_pg_conflict_LDADD = $(PG_TEST_LIBS)
plugins_warehouse_pg_tests_test_pg_connections_CPPFLAGS = $(PG_TEST_CPPFLAGS)
plugins_warehouse_pg_tests_test_pg_connections_LDADD = $(PG_TEST_LIBS)
plugins_warehouse_pg_tests_test_pg_faults_CPPFLAGS = $(PG_TEST_CPPFLAGS)
plugins_warehouse_pg_tests_test_pg_faults_LDADD = $(PG_TEST_LIBS)
plugins_warehouse_pg_tests_test_pg_half_open_CPPFLAGS = $(PG_TEST_CPPFLAGS)
plugins_warehouse_pg_tests_test_pg_half_open_LDADD = $(PG_TEST_LIBS)
plugins_warehouse_pg_tests_test_pg_modes_CPPFLAGS = $(PG_TEST_CPPFLAGS)
plugins_warehouse_pg_tests_test_pg_modes_LDADD = $(PG_TEST_LIBS)
plugins_warehouse_pg_tests_test_pg_refused_CPPFLAGS = $(PG_TEST_CPPFLAGS)
plugins_warehouse_pg_tests_test_pg_refused_LDADD = $(PG_TEST_LIBS)
plugins_warehouse_pg_tests_test_pg_rows_CPPFLAGS = $(PG_TEST_CPPFLAGS)
plugins_warehouse_pg_tests_test_pg_rows_LDADD = $(PG_TEST_LIBS)
plugins_warehouse_pg_tests_test_pg_types_CPPFLAGS = $(PG_TEST_CPPFLAGS)
plugins_warehouse_pg_tests_test_pg_types_LDADD = $(PG_TEST_LIBS)
TESTS += $(pg_test_scripts)
endif
TESTS += plugins/warehouse.pg/tests/test-pg-check.sh
TESTS += plugins/warehouse.pg/tests/test-pg-check-conflict.sh \
	plugins/warehouse.pg/tests/test-pg-check-foresees-start.sh \
	plugins/warehouse.pg/tests/test-pg-lone-row-is-judged.py \
	plugins/warehouse.pg/tests/test-pg-partitions.py \
	plugins/warehouse.pg/tests/test-pg-plan-and-apply.py \
	plugins/warehouse.pg/tests/test-pg-resolver-delays-nobody.py \
	plugins/warehouse.pg/tests/test-pg-rows-are-foreseen.py

# Loaded into the daemon by the last of them.
check_LTLIBRARIES += plugins/warehouse.pg/tests/resolver.la
plugins_warehouse_pg_tests_resolver_la_SOURCES = \
	plugins/warehouse.pg/tests/resolver.c
plugins_warehouse_pg_tests_resolver_la_CFLAGS = $(IL_WARN_CFLAGS)
plugins_warehouse_pg_tests_resolver_la_LDFLAGS = -module -avoid-version \
	-shared -rpath /nowhere
