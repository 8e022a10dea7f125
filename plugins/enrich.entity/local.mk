# enrich.entity
plugin_LTLIBRARIES += plugins/enrich.entity/enrich.entity.la
plugins_enrich_entity_enrich_entity_la_SOURCES = plugins/enrich.entity/entity.c \
	plugins/enrich.entity/named.h
plugins_enrich_entity_enrich_entity_la_CPPFLAGS = $(PLUGIN_CPPFLAGS)
plugins_enrich_entity_enrich_entity_la_CFLAGS = $(PLUGIN_CFLAGS)
plugins_enrich_entity_enrich_entity_la_LDFLAGS = $(PLUGIN_LINK)
dist_man_MANS += plugins/enrich.entity/enrich.entity.5
EXTRA_DIST += plugins/enrich.entity/enrich.entity.conf

if HAVE_CHECK
check_PROGRAMS += plugins/enrich.entity/tests/test-entity
TESTS += plugins/enrich.entity/tests/test-entity
plugins_enrich_entity_tests_test_entity_SOURCES = \
	plugins/enrich.entity/tests/test-entity.c
plugins_enrich_entity_tests_test_entity_CPPFLAGS = $(TESTHOST_CPPFLAGS) \
	$(CHECK_CFLAGS)
plugins_enrich_entity_tests_test_entity_LDADD = $(TESTHOST_LIBS) $(CHECK_LIBS)
endif

TESTS += plugins/enrich.entity/tests/test-entity-check.sh
EXTRA_DIST += plugins/enrich.entity/tests/test-entity-check.sh
