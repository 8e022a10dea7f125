# entities.pg: by the connections of warehouse.pg
plugin_LTLIBRARIES += plugins/entities.pg/entities.pg.la
plugins_entities_pg_entities_pg_la_SOURCES = \
	plugins/entities.pg/entities.c \
	plugins/entities.pg/mirror.c \
	plugins/entities.pg/mirror.h \
	plugins/entities.pg/probe.c \
	plugins/entities.pg/query.c \
	plugins/entities.pg/query.h \
	plugins/entities.pg/row.c \
	plugins/entities.pg/row.h \
	plugins/entities.pg/run.c \
	plugins/entities.pg/seen.c \
	plugins/entities.pg/seen.h
plugins_entities_pg_entities_pg_la_CPPFLAGS = $(PLUGIN_CPPFLAGS) $(PQ_CFLAGS)
plugins_entities_pg_entities_pg_la_CFLAGS = $(PLUGIN_CFLAGS)
plugins_entities_pg_entities_pg_la_LDFLAGS = $(PLUGIN_LINK)
plugins_entities_pg_entities_pg_la_LIBADD = plugins/warehouse.pg/liblink.la
dist_man_MANS += plugins/entities.pg/entities.pg.5
entities_pg_tests = \
	plugins/entities.pg/tests/test-entities-check.sh \
	plugins/entities.pg/tests/test-entities-are-mirrored.py \
	plugins/entities.pg/tests/test-entities-survive-kills.py
TESTS += $(entities_pg_tests)
check_PROGRAMS += plugins/entities.pg/tests/test-entities-seen
TESTS += plugins/entities.pg/tests/test-entities-seen
plugins_entities_pg_tests_test_entities_seen_SOURCES = \
	plugins/entities.pg/seen.c \
	plugins/entities.pg/tests/test-entities-seen.c
plugins_entities_pg_tests_test_entities_seen_CPPFLAGS = $(PLUGIN_CPPFLAGS) \
	-D_GNU_SOURCE
EXTRA_DIST += plugins/entities.pg/entities.pg.conf $(entities_pg_tests)
