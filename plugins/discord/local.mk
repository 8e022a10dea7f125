# discord: by the engine of webhook.out
plugin_LTLIBRARIES += plugins/discord/discord.la
plugins_discord_discord_la_SOURCES = plugins/discord/discord.c
plugins_discord_discord_la_CPPFLAGS = $(PLUGIN_CPPFLAGS) $(CURL_CFLAGS) \
	$(GNUTLS_CFLAGS)
plugins_discord_discord_la_CFLAGS = $(PLUGIN_CFLAGS)
plugins_discord_discord_la_LDFLAGS = $(PLUGIN_LINK)
plugins_discord_discord_la_LIBADD = plugins/webhook.out/libengine.la
dist_man_MANS += plugins/discord/discord.5
EXTRA_DIST += plugins/discord/discord.conf plugins/discord/tests/test-discord-answers.py
TESTS += plugins/discord/tests/test-discord-answers.py
