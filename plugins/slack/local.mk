# slack: by the engine of webhook.out
plugin_LTLIBRARIES += plugins/slack/slack.la
plugins_slack_slack_la_SOURCES = plugins/slack/slack.c
plugins_slack_slack_la_CPPFLAGS = $(PLUGIN_CPPFLAGS) $(CURL_CFLAGS) \
	$(GNUTLS_CFLAGS)
plugins_slack_slack_la_CFLAGS = $(PLUGIN_CFLAGS)
plugins_slack_slack_la_LDFLAGS = $(PLUGIN_LINK)
plugins_slack_slack_la_LIBADD = plugins/webhook.out/libengine.la
dist_man_MANS += plugins/slack/slack.5
EXTRA_DIST += plugins/slack/slack.conf plugins/slack/tests/test-slack-answers.py
TESTS += plugins/slack/tests/test-slack-answers.py
