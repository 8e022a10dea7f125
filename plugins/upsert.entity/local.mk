# upsert.entity
plugin_LTLIBRARIES += plugins/upsert.entity/upsert.entity.la
plugins_upsert_entity_upsert_entity_la_SOURCES = plugins/upsert.entity/entity.c \
	plugins/enrich.entity/named.h
plugins_upsert_entity_upsert_entity_la_CPPFLAGS = $(PLUGIN_CPPFLAGS)
plugins_upsert_entity_upsert_entity_la_CFLAGS = $(PLUGIN_CFLAGS)
plugins_upsert_entity_upsert_entity_la_LDFLAGS = $(PLUGIN_LINK)
dist_man_MANS += plugins/upsert.entity/upsert.entity.5
EXTRA_DIST += plugins/upsert.entity/upsert.entity.conf

if HAVE_CHECK
check_PROGRAMS += plugins/upsert.entity/tests/test-upsert
TESTS += plugins/upsert.entity/tests/test-upsert
plugins_upsert_entity_tests_test_upsert_SOURCES = \
	plugins/upsert.entity/tests/test-upsert.c
plugins_upsert_entity_tests_test_upsert_CPPFLAGS = $(TESTHOST_CPPFLAGS) \
	$(CHECK_CFLAGS)
plugins_upsert_entity_tests_test_upsert_LDADD = $(TESTHOST_LIBS) $(CHECK_LIBS)
endif

TESTS += plugins/upsert.entity/tests/test-upsert-check.sh
EXTRA_DIST += plugins/upsert.entity/tests/test-upsert-check.sh
