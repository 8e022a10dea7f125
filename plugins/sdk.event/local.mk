# sdk.event
plugin_LTLIBRARIES += plugins/sdk.event/sdk.event.la
plugins_sdk_event_sdk_event_la_SOURCES = \
	plugins/sdk.event/cloudevents.c \
	plugins/sdk.event/event.c \
	plugins/sdk.event/event.h \
	plugins/sdk.event/handshake.c \
	plugins/sdk.event/offer.c \
	plugins/sdk.event/segment.c \
	plugins/sdk.event/when.c \
	plugins/sdk.event/when.h
plugins_sdk_event_sdk_event_la_CPPFLAGS = $(PLUGIN_CPPFLAGS)
plugins_sdk_event_sdk_event_la_CFLAGS = $(PLUGIN_CFLAGS)
plugins_sdk_event_sdk_event_la_LDFLAGS = $(PLUGIN_LINK)
dist_man_MANS += plugins/sdk.event/sdk.event.5
SDK_EVENT_TESTS = plugins/sdk.event/tests/test-event-answers.sh \
	plugins/sdk.event/tests/test-event-cloudevents.sh \
	plugins/sdk.event/tests/test-event-emit.sh \
	plugins/sdk.event/tests/test-event-entities.sh \
	plugins/sdk.event/tests/test-event-namespaces.sh \
	plugins/sdk.event/tests/test-event-options.sh \
	plugins/sdk.event/tests/test-event-pages.sh \
	plugins/sdk.event/tests/test-event-rates.sh \
	plugins/sdk.event/tests/test-event-segment.sh \
	plugins/sdk.event/tests/test-event-shapes.sh
TESTS += $(SDK_EVENT_TESTS)
EXTRA_DIST += plugins/sdk.event/sdk.event.conf \
	plugins/sdk.event/tests/setup.sh $(SDK_EVENT_TESTS)
