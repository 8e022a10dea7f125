# webhook.in
plugin_LTLIBRARIES += plugins/webhook.in/webhook.in.la
plugins_webhook_in_webhook_in_la_SOURCES = \
	plugins/webhook.in/form.c \
	plugins/webhook.in/form.h \
	plugins/webhook.in/handshake.c \
	plugins/webhook.in/hook.c \
	plugins/webhook.in/hook.h \
	plugins/webhook.in/pick.c \
	plugins/webhook.in/pick.h \
	plugins/webhook.in/scheme.c \
	plugins/webhook.in/schemes.c \
	plugins/webhook.in/signature.c \
	plugins/webhook.in/signature.h \
	plugins/webhook.in/take.c \
	plugins/webhook.in/verify.c
plugins_webhook_in_webhook_in_la_CPPFLAGS = $(PLUGIN_CPPFLAGS) $(GNUTLS_CFLAGS)
plugins_webhook_in_webhook_in_la_CFLAGS = $(PLUGIN_CFLAGS)
plugins_webhook_in_webhook_in_la_LDFLAGS = $(PLUGIN_LINK)
plugins_webhook_in_webhook_in_la_LIBADD = $(GNUTLS_LIBS)
dist_man_MANS += plugins/webhook.in/webhook.in.5
EXTRA_DIST += plugins/webhook.in/webhook.in.conf \
	plugins/webhook.in/tests/test-webhook-examples.sh
TESTS += plugins/webhook.in/tests/test-webhook-examples.sh

if HAVE_CHECK
check_PROGRAMS += \
	plugins/webhook.in/tests/test-webhook-events \
	plugins/webhook.in/tests/test-webhook-schemes
TESTS += \
	plugins/webhook.in/tests/test-webhook-events \
	plugins/webhook.in/tests/test-webhook-schemes
WEBHOOK_TEST_CPPFLAGS = $(TESTHOST_CPPFLAGS) $(CHECK_CFLAGS)
WEBHOOK_TEST_LIBS = $(TESTHOST_LIBS) $(CHECK_LIBS)
plugins_webhook_in_tests_test_webhook_events_SOURCES = \
	plugins/webhook.in/tests/hooktest.h \
	plugins/webhook.in/tests/test-webhook-events.c
plugins_webhook_in_tests_test_webhook_events_CPPFLAGS = \
	$(WEBHOOK_TEST_CPPFLAGS)
plugins_webhook_in_tests_test_webhook_events_LDADD = $(WEBHOOK_TEST_LIBS)
plugins_webhook_in_tests_test_webhook_schemes_SOURCES = \
	plugins/webhook.in/tests/hooktest.h \
	plugins/webhook.in/tests/test-webhook-schemes.c
plugins_webhook_in_tests_test_webhook_schemes_CPPFLAGS = \
	$(WEBHOOK_TEST_CPPFLAGS)
plugins_webhook_in_tests_test_webhook_schemes_LDADD = $(WEBHOOK_TEST_LIBS)
endif
