# transform
plugin_LTLIBRARIES += plugins/transform/transform.la
plugins_transform_transform_la_SOURCES = plugins/transform/transform.c \
	plugins/transform/body.c plugins/transform/body.h
plugins_transform_transform_la_CPPFLAGS = $(PLUGIN_CPPFLAGS)
plugins_transform_transform_la_CFLAGS = $(PLUGIN_CFLAGS)
plugins_transform_transform_la_LDFLAGS = $(PLUGIN_LINK)
dist_man_MANS += plugins/transform/transform.5
EXTRA_DIST += plugins/transform/transform.conf

if HAVE_CHECK
check_PROGRAMS += plugins/transform/tests/test-transform
TESTS += plugins/transform/tests/test-transform
plugins_transform_tests_test_transform_SOURCES = \
	plugins/transform/tests/test-transform.c
plugins_transform_tests_test_transform_CPPFLAGS = $(TESTHOST_CPPFLAGS) \
	$(CHECK_CFLAGS)
plugins_transform_tests_test_transform_LDADD = $(TESTHOST_LIBS) $(CHECK_LIBS)
endif

TESTS += plugins/transform/tests/test-transform-check.sh
EXTRA_DIST += plugins/transform/tests/test-transform-check.sh
