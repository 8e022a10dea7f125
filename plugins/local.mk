# One line a plugin; each folder is complete in itself.
if PLUGIN_SDK_EVENT
include plugins/sdk.event/local.mk
endif
if PLUGIN_FILTER_MATCH
include plugins/filter.match/local.mk
endif
if PLUGIN_ENRICH_ENTITY
include plugins/enrich.entity/local.mk
endif
if PLUGIN_UPSERT_ENTITY
include plugins/upsert.entity/local.mk
endif
if PLUGIN_CLOCK
include plugins/clock/local.mk
endif
if PLUGIN_COUNT
include plugins/count/local.mk
endif
if PLUGIN_DEDUPE
include plugins/dedupe/local.mk
endif
if PLUGIN_THROTTLE
include plugins/throttle/local.mk
endif
if PLUGIN_REDACT_PII
include plugins/redact.pii/local.mk
endif
if PLUGIN_TRANSFORM
include plugins/transform/local.mk
endif
if PLUGIN_WAREHOUSE_PG
include plugins/warehouse.pg/local.mk
endif
if PLUGIN_ENTITIES_PG
include plugins/entities.pg/local.mk
endif
if PLUGIN_WEBHOOK_IN
include plugins/webhook.in/local.mk
endif
if PLUGIN_WEBHOOK_OUT
include plugins/webhook.out/local.mk
endif
if PLUGIN_SLACK
include plugins/slack/local.mk
endif
if PLUGIN_DISCORD
include plugins/discord/local.mk
endif
if PLUGIN_TELEGRAM
include plugins/telegram/local.mk
endif
if PLUGIN_EMAIL_OUT
include plugins/email.out/local.mk
endif

if PLUGIN_STREAM_NATS
include plugins/stream.nats/local.mk
endif

# Plugins are opened by name; libtool's archives would only confuse.
install-data-hook:
	for plugin in $(plugin_LTLIBRARIES); do \
	    rm -f "$(DESTDIR)$(plugindir)/$${plugin##*/}"; done
uninstall-hook:
	for plugin in $(plugin_LTLIBRARIES); do plugin=$${plugin##*/}; \
	    rm -f "$(DESTDIR)$(plugindir)/$${plugin%.la}.so"; done
