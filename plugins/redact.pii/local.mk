# redact.pii
plugin_LTLIBRARIES += plugins/redact.pii/redact.pii.la
plugins_redact_pii_redact_pii_la_SOURCES = plugins/redact.pii/redact.c \
	plugins/redact.pii/find.c plugins/redact.pii/find.h
plugins_redact_pii_redact_pii_la_CPPFLAGS = $(PLUGIN_CPPFLAGS) $(GNUTLS_CFLAGS)
plugins_redact_pii_redact_pii_la_CFLAGS = $(PLUGIN_CFLAGS)
plugins_redact_pii_redact_pii_la_LDFLAGS = $(PLUGIN_LINK)
plugins_redact_pii_redact_pii_la_LIBADD = $(GNUTLS_LIBS)
dist_man_MANS += plugins/redact.pii/redact.pii.5
EXTRA_DIST += plugins/redact.pii/redact.pii.conf

if HAVE_CHECK
check_PROGRAMS += plugins/redact.pii/tests/test-pii
TESTS += plugins/redact.pii/tests/test-pii
plugins_redact_pii_tests_test_pii_SOURCES = plugins/redact.pii/tests/test-pii.c
plugins_redact_pii_tests_test_pii_CPPFLAGS = $(TESTHOST_CPPFLAGS) \
	$(CHECK_CFLAGS) $(GNUTLS_CFLAGS)
plugins_redact_pii_tests_test_pii_LDADD = $(TESTHOST_LIBS) $(CHECK_LIBS) \
	$(GNUTLS_LIBS)
endif

TESTS += plugins/redact.pii/tests/test-pii-check.sh
EXTRA_DIST += plugins/redact.pii/tests/test-pii-check.sh
