# webhook.out
plugin_LTLIBRARIES += plugins/webhook.out/webhook.out.la
plugins_webhook_out_webhook_out_la_SOURCES = plugins/webhook.out/webhook.c
plugins_webhook_out_webhook_out_la_CPPFLAGS = $(PLUGIN_CPPFLAGS) \
	$(CURL_CFLAGS) $(GNUTLS_CFLAGS)
plugins_webhook_out_webhook_out_la_CFLAGS = $(PLUGIN_CFLAGS)
plugins_webhook_out_webhook_out_la_LDFLAGS = $(PLUGIN_LINK)
plugins_webhook_out_webhook_out_la_LIBADD = plugins/webhook.out/libengine.la
dist_man_MANS += plugins/webhook.out/webhook.out.5

# The engine, which the adapters beside this folder link, too: see kind.h.
noinst_LTLIBRARIES += plugins/webhook.out/libengine.la
plugins_webhook_out_libengine_la_SOURCES = \
	plugins/webhook.out/codes.c \
	plugins/webhook.out/codes.h \
	plugins/webhook.out/common.inc \
	plugins/webhook.out/message.inc \
	plugins/webhook.out/judge.c \
	plugins/webhook.out/kind.h \
	plugins/webhook.out/out.c \
	plugins/webhook.out/out.h \
	plugins/webhook.out/pump.c \
	plugins/webhook.out/queue.c \
	plugins/webhook.out/request.c \
	plugins/webhook.out/show.c \
	plugins/webhook.out/tell.c
plugins_webhook_out_libengine_la_CPPFLAGS = $(PLUGIN_CPPFLAGS) \
	$(CURL_CFLAGS) $(GNUTLS_CFLAGS)
plugins_webhook_out_libengine_la_CFLAGS = $(PLUGIN_CFLAGS)
plugins_webhook_out_libengine_la_LIBADD = plugins/webhook.out/libparts.la \
	-lpthread

# The parts that need no host, by themselves: the tests link them.
noinst_LTLIBRARIES += plugins/webhook.out/libparts.la
plugins_webhook_out_libparts_la_SOURCES = \
	plugins/webhook.out/address.c \
	plugins/webhook.out/address.h \
	plugins/webhook.out/attempts.c \
	plugins/webhook.out/attempts.h \
	plugins/webhook.out/base64.h \
	plugins/webhook.out/breaker.c \
	plugins/webhook.out/breaker.h \
	plugins/webhook.out/conn.c \
	plugins/webhook.out/conn.h \
	plugins/webhook.out/easy.c \
	plugins/webhook.out/easy.h \
	plugins/webhook.out/exchange.c \
	plugins/webhook.out/exchange.h \
	plugins/webhook.out/hash.h \
	plugins/webhook.out/id.c \
	plugins/webhook.out/id.h \
	plugins/webhook.out/keep.c \
	plugins/webhook.out/keep.h \
	plugins/webhook.out/options.c \
	plugins/webhook.out/options.h \
	plugins/webhook.out/options_private.h \
	plugins/webhook.out/options_url.c \
	plugins/webhook.out/pace.c \
	plugins/webhook.out/pace.h \
	plugins/webhook.out/place.c \
	plugins/webhook.out/place.h \
	plugins/webhook.out/render.c \
	plugins/webhook.out/render.h \
	plugins/webhook.out/response.c \
	plugins/webhook.out/response.h \
	plugins/webhook.out/retry_after.c \
	plugins/webhook.out/retry_after.h \
	plugins/webhook.out/schedule.c \
	plugins/webhook.out/schedule.h \
	plugins/webhook.out/scrub.c \
	plugins/webhook.out/scrub.h \
	plugins/webhook.out/sign.c \
	plugins/webhook.out/sign.h \
	plugins/webhook.out/smtp.c \
	plugins/webhook.out/smtp.h \
	plugins/webhook.out/token.h \
	plugins/webhook.out/transfer.c \
	plugins/webhook.out/transfer.h \
	plugins/webhook.out/transport.c \
	plugins/webhook.out/transport.h \
	plugins/webhook.out/words.c \
	plugins/webhook.out/words.h
plugins_webhook_out_libparts_la_CPPFLAGS = $(PLUGIN_CPPFLAGS) \
	$(CURL_CFLAGS) $(GNUTLS_CFLAGS)
plugins_webhook_out_libparts_la_CFLAGS = $(PLUGIN_CFLAGS)
plugins_webhook_out_libparts_la_LIBADD = $(CURL_LIBS) $(GNUTLS_LIBS) -lpthread

OUT_TEST_CPPFLAGS = $(PLUGIN_CPPFLAGS) $(CHECK_CFLAGS) $(CURL_CFLAGS) \
	$(GNUTLS_CFLAGS)
OUT_TEST_LIBS = plugins/webhook.out/libparts.la $(CHECK_LIBS)
out_part_tests = \
	plugins/webhook.out/tests/test-out-address \
	plugins/webhook.out/tests/test-out-attempts \
	plugins/webhook.out/tests/test-out-breaker \
	plugins/webhook.out/tests/test-out-keep \
	plugins/webhook.out/tests/test-out-outages \
	plugins/webhook.out/tests/test-out-place \
	plugins/webhook.out/tests/test-out-response \
	plugins/webhook.out/tests/test-out-scrub \
	plugins/webhook.out/tests/test-out-sign \
	plugins/webhook.out/tests/test-out-times
EXTRA_DIST += plugins/webhook.out/tests/outtest.h \
	plugins/webhook.out/webhook.out.conf

# A destination with these options that sends nothing.
check_LTLIBRARIES += plugins/webhook.out/tests/destination.rendered.la
plugins_webhook_out_tests_destination_rendered_la_SOURCES = \
	plugins/webhook.out/tests/destination.rendered.c
plugins_webhook_out_tests_destination_rendered_la_CPPFLAGS = \
	$(PLUGIN_CPPFLAGS) $(CURL_CFLAGS) $(GNUTLS_CFLAGS)
plugins_webhook_out_tests_destination_rendered_la_CFLAGS = $(PLUGIN_CFLAGS)
plugins_webhook_out_tests_destination_rendered_la_LDFLAGS = $(PLUGIN_LINK) \
	-rpath /nowhere
plugins_webhook_out_tests_destination_rendered_la_LIBADD = \
	plugins/webhook.out/libparts.la
if HAVE_CHECK
check_PROGRAMS += plugins/webhook.out/tests/test-out-options
TESTS += plugins/webhook.out/tests/test-out-options
plugins_webhook_out_tests_test_out_options_CPPFLAGS = $(TESTHOST_CPPFLAGS) \
	$(CHECK_CFLAGS)
plugins_webhook_out_tests_test_out_options_LDADD = $(TESTHOST_LIBS) \
	$(CHECK_LIBS)
check_PROGRAMS += $(out_part_tests)
TESTS += $(out_part_tests)
plugins_webhook_out_tests_test_out_address_CPPFLAGS = $(OUT_TEST_CPPFLAGS)
plugins_webhook_out_tests_test_out_address_LDADD = $(OUT_TEST_LIBS)
plugins_webhook_out_tests_test_out_attempts_CPPFLAGS = $(OUT_TEST_CPPFLAGS)
plugins_webhook_out_tests_test_out_attempts_LDADD = $(OUT_TEST_LIBS)
plugins_webhook_out_tests_test_out_breaker_CPPFLAGS = $(OUT_TEST_CPPFLAGS)
plugins_webhook_out_tests_test_out_breaker_LDADD = $(OUT_TEST_LIBS)
plugins_webhook_out_tests_test_out_keep_CPPFLAGS = $(OUT_TEST_CPPFLAGS)
plugins_webhook_out_tests_test_out_keep_LDADD = $(OUT_TEST_LIBS)
plugins_webhook_out_tests_test_out_outages_CPPFLAGS = $(OUT_TEST_CPPFLAGS)
plugins_webhook_out_tests_test_out_outages_LDADD = $(OUT_TEST_LIBS)
plugins_webhook_out_tests_test_out_place_CPPFLAGS = $(OUT_TEST_CPPFLAGS)
plugins_webhook_out_tests_test_out_place_LDADD = $(OUT_TEST_LIBS)
plugins_webhook_out_tests_test_out_response_CPPFLAGS = $(OUT_TEST_CPPFLAGS)
plugins_webhook_out_tests_test_out_response_LDADD = $(OUT_TEST_LIBS)
plugins_webhook_out_tests_test_out_scrub_CPPFLAGS = $(OUT_TEST_CPPFLAGS)
plugins_webhook_out_tests_test_out_scrub_LDADD = $(OUT_TEST_LIBS)
plugins_webhook_out_tests_test_out_sign_CPPFLAGS = $(OUT_TEST_CPPFLAGS)
plugins_webhook_out_tests_test_out_sign_LDADD = $(OUT_TEST_LIBS)
plugins_webhook_out_tests_test_out_times_CPPFLAGS = $(OUT_TEST_CPPFLAGS)
plugins_webhook_out_tests_test_out_times_LDADD = $(OUT_TEST_LIBS)
endif

# What tests in other languages drive the parts with.
check_PROGRAMS += plugins/webhook.out/tests/sign
plugins_webhook_out_tests_sign_SOURCES = plugins/webhook.out/tests/sign.c
plugins_webhook_out_tests_sign_CPPFLAGS = $(OUT_TEST_CPPFLAGS)
plugins_webhook_out_tests_sign_LDADD = plugins/webhook.out/libparts.la
check_PROGRAMS += plugins/webhook.out/tests/transport
plugins_webhook_out_tests_transport_SOURCES = \
	plugins/webhook.out/tests/transport.c
plugins_webhook_out_tests_transport_CPPFLAGS = $(OUT_TEST_CPPFLAGS)
plugins_webhook_out_tests_transport_LDADD = plugins/webhook.out/libparts.la \
	-lpthread

check_PROGRAMS += plugins/webhook.out/tests/drive
plugins_webhook_out_tests_drive_SOURCES = plugins/webhook.out/tests/drive.c
plugins_webhook_out_tests_drive_CPPFLAGS = $(TESTHOST_CPPFLAGS) \
	-DOUT_PLUGIN='"$(abs_top_builddir)/plugins/webhook.out/.libs/webhook.out.so"'
plugins_webhook_out_tests_drive_LDADD = $(TESTHOST_LIBS)

out_transport_tests = \
	plugins/webhook.out/tests/test-out-addresses-are-checked.py \
	plugins/webhook.out/tests/test-out-answers-are-judged.py \
	plugins/webhook.out/tests/test-out-manual-is-true.py \
	plugins/webhook.out/tests/test-out-takes-nothing-from-around.py \
	plugins/webhook.out/tests/test-out-tls-and-proxies.py \
	plugins/webhook.out/tests/test-out-transport-stops.py
EXTRA_DIST += $(out_transport_tests) plugins/webhook.out/tests/tool.py
TESTS += $(out_transport_tests)

# The plugin in a test host with a receiver.
out_driven_tests = \
	plugins/webhook.out/tests/test-out-bad-input-is-named.py \
	plugins/webhook.out/tests/test-out-each-answer-has-its-end.py \
	plugins/webhook.out/tests/test-out-outage-of-a-day.py \
	plugins/webhook.out/tests/test-out-targets-are-left-alone.py \
	plugins/webhook.out/tests/test-out-what-goes-when.py
EXTRA_DIST += $(out_driven_tests) plugins/webhook.out/tests/adapter.py \
	plugins/webhook.out/tests/driven.py \
	plugins/webhook.out/tests/parking.py
TESTS += $(out_driven_tests)

# The daemon with a receiver.
out_system_tests = \
	plugins/webhook.out/tests/test-out-gone-pauses.py \
	plugins/webhook.out/tests/test-out-kill-loses-nothing.py \
	plugins/webhook.out/tests/test-out-order-is-kept.py \
	plugins/webhook.out/tests/test-out-outage-loses-nothing.py \
	plugins/webhook.out/tests/test-out-presets-replay.py \
	plugins/webhook.out/tests/test-out-replay.py \
	plugins/webhook.out/tests/test-out-replay-troubles.py \
	plugins/webhook.out/tests/test-out-restarts-cost-nothing.py \
	plugins/webhook.out/tests/test-out-turns-are-taken.py
EXTRA_DIST += $(out_system_tests) plugins/webhook.out/tests/outsystem.py
TESTS += $(out_system_tests)
