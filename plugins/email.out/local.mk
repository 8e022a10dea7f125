# email.out: by the engine of webhook.out
plugin_LTLIBRARIES += plugins/email.out/email.out.la
plugins_email_out_email_out_la_SOURCES = \
	plugins/email.out/email.c \
	plugins/email.out/mailbox.c \
	plugins/email.out/mailbox.h \
	plugins/email.out/mime.c \
	plugins/email.out/mime.h \
	plugins/email.out/replies.c \
	plugins/email.out/replies.h
plugins_email_out_email_out_la_CPPFLAGS = $(PLUGIN_CPPFLAGS) $(CURL_CFLAGS) \
	$(GNUTLS_CFLAGS)
plugins_email_out_email_out_la_CFLAGS = $(PLUGIN_CFLAGS)
plugins_email_out_email_out_la_LDFLAGS = $(PLUGIN_LINK)
plugins_email_out_email_out_la_LIBADD = plugins/webhook.out/libengine.la
dist_man_MANS += plugins/email.out/email.out.5
EXTRA_DIST += plugins/email.out/email.out.conf
email_tests = \
	plugins/email.out/tests/test-email-answers.py \
	plugins/email.out/tests/test-email-into-aiosmtpd.py \
	plugins/email.out/tests/test-email-is-what-arrives.py \
	plugins/email.out/tests/test-email-kill-loses-nothing.py \
	plugins/email.out/tests/test-email-outage-of-a-day.py \
	plugins/email.out/tests/test-email-tls-and-login.py
EXTRA_DIST += $(email_tests) plugins/email.out/tests/aiosmtpd-server.py \
	plugins/email.out/tests/mailing.py
TESTS += $(email_tests)
