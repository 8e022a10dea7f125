# sdk.event
plugin_LTLIBRARIES += plugins/sdk.event/sdk.event.la
plugins_sdk_event_sdk_event_la_SOURCES = plugins/sdk.event/event.c
plugins_sdk_event_sdk_event_la_CPPFLAGS = $(PLUGIN_CPPFLAGS)
plugins_sdk_event_sdk_event_la_CFLAGS = $(PLUGIN_CFLAGS)
plugins_sdk_event_sdk_event_la_LDFLAGS = $(PLUGIN_LINK)
dist_man_MANS += plugins/sdk.event/sdk.event.5
EXTRA_DIST += plugins/sdk.event/sdk.event.conf
