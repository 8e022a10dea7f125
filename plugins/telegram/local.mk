# telegram: by the engine of webhook.out
plugin_LTLIBRARIES += plugins/telegram/telegram.la
plugins_telegram_telegram_la_SOURCES = plugins/telegram/telegram.c
plugins_telegram_telegram_la_CPPFLAGS = $(PLUGIN_CPPFLAGS) $(CURL_CFLAGS) \
	$(GNUTLS_CFLAGS)
plugins_telegram_telegram_la_CFLAGS = $(PLUGIN_CFLAGS)
plugins_telegram_telegram_la_LDFLAGS = $(PLUGIN_LINK)
plugins_telegram_telegram_la_LIBADD = plugins/webhook.out/libengine.la
dist_man_MANS += plugins/telegram/telegram.5
EXTRA_DIST += plugins/telegram/telegram.conf plugins/telegram/tests/test-telegram-answers.py
TESTS += plugins/telegram/tests/test-telegram-answers.py
